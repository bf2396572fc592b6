"""Builds: the hash of a build's content, and the build itself."""

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from typing import Any, Final

from config.errors import BuildFailed
from config.service import Build, ServiceConfig
from tasks.aws.log import log
from tasks.aws.task import aws_task
from tasks.ecr.context.archive import write_archive
from tasks.ecr.context.entries import Context, Entry, read_context, why_unreadable
from tasks.ecr.engine import engine

__all__ = ["PLATFORMS", "build_image", "content_tag", "is_tag_of", "tag_with_bases"]

PLATFORMS: Final = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}
"""Docker's platform by ECS's CPU architecture."""
_TAIL: Final = 15
_VERSION: Final = 2
"""Of what the content tag covers."""


def content_tag(build: Build, cpu_architecture: str) -> str:
    """
    The image tag that names exactly this content: Dockerfile, build arguments, architecture, files.

    The same content has the same tag on every machine, so times and owners of files do not count,
    and of their modes not the group's write permission, which depends on the umask.

    Raises:
        BuildFailed: The context or the Dockerfile cannot be read.
    """
    context = read_context(build)
    settings = [_VERSION, build.dockerfile, sorted(build.args.items()), cpu_architecture]
    digest = hashlib.sha256(json.dumps(settings).encode())
    _add_content(digest, context.dockerfile.content)
    if context.has_own_ignore_file and context.ignore_file is not None:
        # It is sent as .dockerignore, which COPY may find.
        _add_content(digest, context.ignore_file)
    _add_entries(digest, context)
    return f"c-{digest.hexdigest()[:16]}"


def _add_entries(digest: Any, context: Context) -> None:
    """Every entry of a context."""
    try:
        for entry in context.entries:
            _add_entry(digest, entry)
    except OSError as error:
        raise BuildFailed(why_unreadable(context.build, error)) from None


def tag_with_bases(tag: str, bases: Mapping[str, str]) -> str:
    """
    The image tag for a content with these base images.

    Args:
        tag: Of `content_tag`.
        bases: Digest of each base image; none when there is no base image, or its digest is
            unknown.
    """
    if not bases:
        return tag
    digest = hashlib.sha256(json.dumps(sorted(bases.items())).encode())
    return f"{tag}-{digest.hexdigest()[:8]}"


def is_tag_of(image_tag: str, tag: str) -> bool:
    """
    Whether an image tag names a content, with whatever base images.

    Args:
        image_tag: Of `tag_with_bases`.
        tag: Of `content_tag`.
    """
    return image_tag.partition("-")[2].partition("-")[0] == tag.partition("-")[2]


def _add_entry(digest: Any, entry: Entry) -> None:
    """Name, kind, mode and content of one entry of a context."""
    link = entry.link
    if link is not None:
        # The engine is sent the link as such, wherever it points. Its mode is the same everywhere.
        kind, mode = "link", 0
    else:
        kind, mode = ("file" if entry.is_file else "folder"), entry.mode & ~stat.S_IWGRP
    _add_content(digest, f"{kind} {mode:o}".encode())
    _add_content(digest, os.fsencode(entry.name))
    if link is not None:
        _add_content(digest, os.fsencode(link))
    elif entry.is_file:
        with open(entry.path, "rb") as file:  # noqa: PTH123 - 100,000 Paths are slow
            _add_content(digest, hashlib.file_digest(file, "sha256").digest())


def _add_content(digest: Any, content: bytes) -> None:
    """Add bytes and their number, so that what is moved from one part to the next counts."""
    digest.update(f"{len(content)}:".encode() + content)


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
    context = read_context(service.build)
    with tempfile.TemporaryFile() as archive:
        dockerfile = write_archive(context, archive)
        stream = engine(docker_host).api.build(
            fileobj=archive,
            custom_context=True,
            dockerfile=dockerfile,
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
