"""Container images: content hash, build, push, digest. Talks to a Docker engine and to ECR."""

import base64
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import docker
import docker.errors
from docker.utils.build import exclude_paths

from config.aws import AwsConfig
from config.errors import BuildFailed, PreflightFailed
from config.service import Build, ServiceConfig
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.task import aws_task
from tasks.preflight.finding import Finding

__all__ = [
    "Pushed",
    "build_image",
    "check_build_files",
    "check_engine",
    "content_tag",
    "engine",
    "engine_name",
    "pin_image",
    "push_image",
    "read_digest",
]

_TAIL: Final = 15
_ANSWERS_WITHIN: Final = 5
_BUILDS_WITHIN: Final = 600
"""Seconds."""
_PLATFORMS: Final = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}


@lru_cache(maxsize=8)
def engine(docker_host: str | None) -> docker.DockerClient:
    """
    The Docker engine that builds and pushes.

    Args:
        docker_host: Its address; None for `DOCKER_HOST` or the local socket.

    Raises:
        PreflightFailed: Nothing answers there.
    """
    where = docker_host or "DOCKER_HOST or the local socket"
    try:
        # A build may be silent for minutes; whether anybody is there is known sooner.
        _connect(docker_host, _ANSWERS_WITHIN).ping()
        found = _connect(docker_host, _BUILDS_WITHIN)
    except (docker.errors.DockerException, OSError) as error:
        raise PreflightFailed(
            f"docker_host: no Docker engine answers at {where} ({_cause(error)}); start one, or "
            "set docker_host"
        ) from None
    return found


def _cause(error: BaseException) -> str:
    """The innermost words: docker-py and the two libraries below it wrap each other's."""
    inner = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    return str(inner) or type(inner).__name__


def _connect(docker_host: str | None, timeout: int) -> docker.DockerClient:
    if docker_host:
        return docker.DockerClient(base_url=docker_host, timeout=timeout)
    return docker.from_env(timeout=timeout)


def check_engine(docker_host: str | None, services: Mapping[str, ServiceConfig]) -> list[Finding]:
    """
    What the engine lacks to build the services' images.

    Args:
        docker_host: Its address; None for `DOCKER_HOST` or the local socket.
        services: By place in the config, e.g. `services[0]`.

    Raises:
        PreflightFailed: Nothing answers there.
    """
    arch = engine(docker_host).version().get("Arch")
    return [
        Finding(
            f"{where}.cpu_architecture: {service.cpu_architecture} is not the engine's ({arch}), "
            "which builds for it "
            "only where it can emulate it; set the engine's, or give it emulation",
            stops=False,
        )
        for where, service in services.items()
        if arch and _PLATFORMS[service.cpu_architecture] != f"linux/{arch}"
    ]


def engine_name(docker_host: str | None) -> str:
    """What the engine calls itself, e.g. `docker`, `podman` or `process`."""
    components = engine(docker_host).version().get("Components") or [{"Name": "Engine"}]
    name = str(components[0]["Name"])
    return {"Engine": "docker", "Podman Engine": "podman"}.get(name, name)


def content_tag(build: Build, cpu_architecture: str) -> str:
    """
    The image tag that names exactly this content: Dockerfile, build arguments, architecture and
    context.

    The same content has the same tag on every machine, so file times and owners do not count; modes
    do.

    Raises:
        BuildFailed: The context or the Dockerfile cannot be read.
    """
    digest = hashlib.sha256()
    digest.update(
        json.dumps([build.dockerfile, sorted(build.args.items()), cpu_architecture]).encode()
    )
    try:
        for name in _context_files(build):
            mode, content = _read_entry(build.context / name)
            executable = bool(mode & 0o100)
            digest.update(f"{name}\0{executable}\0{len(content)}\0".encode() + content)
    except (OSError, UnicodeDecodeError) as error:
        raise BuildFailed(
            f"{build.context}: cannot be read ({error}); mend the build context"
        ) from None
    return f"c-{digest.hexdigest()[:16]}"


def _read_entry(path: Path) -> tuple[int, bytes]:
    """
    Mode and content of one entry of a context.

    The engine is sent a symbolic link as such, whatever it points to, so its target's name is its
    content.
    """
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return mode, b"-> " + os.fsencode(path.readlink())
    return mode, path.read_bytes() if stat.S_ISREG(mode) else b""


def _context_files(build: Build) -> list[str]:
    """What the engine is sent: everything that .dockerignore leaves."""
    ignore = build.context / ".dockerignore"
    patterns = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in patterns if line.strip() and not line.startswith("#")]
    return sorted(exclude_paths(str(build.context), patterns, dockerfile=build.dockerfile))


def read_digest(aws: AwsConfig, repository: str, tag: str) -> str | None:
    """
    The digest of a pushed image, None when it is not there.

    Source: ECR DescribeImages.
    """
    ecr = client(aws, "ecr")
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])[
            "imageDetails"
        ]
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        return None
    return found[0]["imageDigest"] if found else None


@aws_task("build image of {service.name}", tags=("docker",))
def build_image(docker_host: str | None, service: ServiceConfig, reference: str) -> str:
    """
    Build the image and tag it `repository:content-hash`.

    Returns:
        The image id.

    Raises:
        BuildFailed: With the last lines of the build's output.
        PreflightFailed: The image's architecture is not the task's.
    """
    build = service.build
    if build is None:
        raise BuildFailed(f"{service.name}: has no build")
    tail: list[str] = []
    stream = engine(docker_host).api.build(
        path=str(build.context),
        dockerfile=build.dockerfile,
        buildargs=dict(build.args),
        tag=reference,
        platform=_PLATFORMS[service.cpu_architecture],
        rm=True,
        decode=True,
    )
    for event in stream:
        if "error" in event:
            raise BuildFailed(
                f"image of {service.name}: {event['error'].strip()}\n" + "\n".join(tail[-_TAIL:])
            )
        line = event.get("stream", "").rstrip()
        if line:
            tail.append(f"    | {line}")
            log().info("%s", line)
    image = engine(docker_host).images.get(reference)
    built_for = _PLATFORMS[service.cpu_architecture].partition("/")[2]
    if image.attrs.get("Architecture") != built_for:
        raise BuildFailed(
            f"image of {service.name}: is for {image.attrs.get('Architecture')}, its tasks run "
            f"on {built_for}; "
            "set cpu_architecture, or build for the other platform"
        )
    return str(image.id)


@dataclass(frozen=True)
class Pushed:
    """An image in its repository."""

    uri: str
    tag: str
    digest: str

    @property
    def pinned(self) -> str:
        """`repository@sha256:…`, which no later push can change."""
        return f"{self.uri}@{self.digest}"


@aws_task("push image of {service.name}", tags=("docker",))
def push_image(
    aws: AwsConfig, docker_host: str | None, service: ServiceConfig, uri: str, tag: str
) -> Pushed:
    """
    Push the image with a fresh ECR token, unless it is there.

    Raises:
        BuildFailed: The registry refused it, or ECR does not know it afterwards.

    Source: ECR GetAuthorizationToken, DescribeImages; OCI distribution.
    """
    there = read_digest(aws, service.name, tag)
    if there:
        return Pushed(uri=uri, tag=tag, digest=there)
    stream: Any = engine(docker_host).api.push(
        uri, tag=tag, auth_config=_login(aws), stream=True, decode=True
    )
    for event in stream:
        if "error" in event:
            raise BuildFailed(
                f"push of {uri}:{tag}: {event['error'].strip()}; check the repository and its "
                "policy"
            )
        if event.get("status") and "progress" not in event:
            log().debug("%s", event["status"])
    digest = read_digest(aws, service.name, tag)
    if digest is None:
        raise BuildFailed(f"push of {uri}:{tag}: ECR does not know the image afterwards; run again")
    log().info("pushed %s:%s as %s", uri, tag, digest)
    return Pushed(uri=uri, tag=tag, digest=digest)


def _login(aws: AwsConfig) -> dict[str, str]:
    """What Docker calls an auth config; kept in memory, never in ~/.docker."""
    token = client(aws, "ecr").get_authorization_token()["authorizationData"][0][
        "authorizationToken"
    ]
    username, _, password = base64.b64decode(token).decode().partition(":")
    return {"username": username, "password": password}


def check_build_files(service: ServiceConfig) -> list[str]:
    """What is wrong with a build's folder and Dockerfile, as findings; empty when nothing is."""
    if service.build is None:
        return []
    context: Path = service.build.context
    if not context.is_dir():
        return [f"build.context: {context} is not a folder; give the folder to build"]
    dockerfile = context / service.build.dockerfile
    if not dockerfile.is_file():
        return [f"build.dockerfile: {dockerfile} is not a file; create it, or name the right one"]
    try:
        content_tag(service.build, service.cpu_architecture)
    except BuildFailed as error:
        return [f"build.context: {error}"]
    return []


def pin_image(aws: AwsConfig, image: str) -> str:
    """
    A ready image's reference with its digest, where ECR knows it; another registry's as it is.

    Raises:
        PreflightFailed: ECR has the repository, but not the tag.

    Source: ECR DescribeRepositories, DescribeImages.
    """
    if "@" in image:
        return image
    host, _, path = image.partition("/")
    repository, _, tag = path.partition(":")
    ecr = client(aws, "ecr")
    try:
        found = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
    except (ecr.exceptions.RepositoryNotFoundException, ecr.exceptions.InvalidParameterException):
        return image
    if found["repositoryUri"] != f"{host}/{repository}":
        return image
    digest = read_digest(aws, repository, tag or "latest")
    if digest is None:
        raise PreflightFailed(f"image: {image} is not in ECR; push it, or name a tag that is there")
    return f"{host}/{repository}@{digest}"
