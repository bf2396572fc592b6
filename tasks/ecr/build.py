"""Builds: the hash of a build's content, and the build itself."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any, Final

from docker.utils.build import exclude_paths

from config.errors import BuildFailed
from config.service import Build, ServiceConfig
from tasks.aws.log import log
from tasks.aws.task import aws_task
from tasks.ecr.engine import engine

__all__ = ["PLATFORMS", "build_image", "content_tag"]

PLATFORMS: Final = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}
"""Docker's platform by ECS's CPU architecture."""
_TAIL: Final = 15


def content_tag(build: Build, cpu_architecture: str) -> str:
    """
    The image tag that names exactly this content: Dockerfile, build arguments, architecture, files.

    The same content has the same tag on every machine, so times and owners of files do not count;
    their modes do.

    Raises:
        BuildFailed: The context or the Dockerfile cannot be read.
    """
    settings = [build.dockerfile, sorted(build.args.items()), cpu_architecture]
    digest = hashlib.sha256(json.dumps(settings).encode())
    try:
        for name in _context_files(build):
            digest.update(_entry(build.context, name))
    except (OSError, UnicodeDecodeError) as error:
        raise BuildFailed(
            f"{build.context}: cannot be read ({error}); fix the build context"
        ) from None
    return f"c-{digest.hexdigest()[:16]}"


def _context_files(build: Build) -> list[str]:
    """What the engine is sent: everything that .dockerignore leaves."""
    ignored = _ignored(build.context / ".dockerignore")
    sent = exclude_paths(str(build.context), ignored, build.dockerfile)
    return sorted(sent)


def _ignored(file: Path) -> list[str]:
    """The patterns of a .dockerignore, if there is one."""
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    patterns = [line.strip() for line in lines if not line.startswith("#")]
    return list(filter(None, patterns))


def _entry(context: Path, name: str) -> bytes:
    """Name, mode and content of one entry of a context."""
    path = context / name
    mode = path.lstat().st_mode
    executable = bool(mode & 0o100)
    content = _content(path, mode)
    size = len(content)
    head = f"{name}\0{executable}\0{size}\0"
    return head.encode() + content


def _content(path: Path, mode: int) -> bytes:
    """What counts as the content of an entry."""
    if stat.S_ISLNK(mode):
        # The engine is sent the link as such, so its content is the name that it points to.
        return b"-> " + os.fsencode(path.readlink())
    return path.read_bytes() if stat.S_ISREG(mode) else b""


@aws_task("build image of {service.name}", tags=("docker",))
def build_image(docker_host: str | None, service: ServiceConfig, reference: str) -> str:
    """
    Build the image and tag it `repository:content-hash`.

    Returns:
        The image id.

    Raises:
        BuildFailed: The build failed, with the last lines of its output; or the image's
            architecture is not the task's.
    """
    if service.build is None:
        raise BuildFailed(f"{service.name}: has no build")
    platform = PLATFORMS[service.cpu_architecture]
    stream = engine(docker_host).api.build(
        path=str(service.build.context),
        dockerfile=service.build.dockerfile,
        buildargs=dict(service.build.args),
        tag=reference,
        platform=platform,
        rm=True,
        decode=True,
    )
    _follow(stream, service.name)
    image = engine(docker_host).images.get(reference)
    _check_architecture(image, service.name, platform)
    return str(image.id)


def _follow(stream: Any, name: str) -> None:
    """Log a build's output to its end."""
    lines: list[str] = []
    for event in stream:
        if "error" in event:
            tail = "\n".join(f"    | {line}" for line in lines[-_TAIL:])
            raise BuildFailed(f"image of {name}: {event['error'].strip()}\n{tail}")
        line = event.get("stream", "").rstrip()
        if line:
            lines.append(line)
            log().info("%s", line)


def _check_architecture(image: Any, name: str, platform: str) -> None:
    """Refuse an image that the tasks cannot run."""
    architecture = image.attrs.get("Architecture")
    wanted = platform.partition("/")[2]
    if architecture != wanted:
        raise BuildFailed(
            f"image of {name}: is for {architecture}, its tasks run on {wanted}; set "
            "cpu_architecture, or build for the other platform"
        )
