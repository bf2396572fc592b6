"""Images: whether a ready one exists for the right CPU, and whether the others can be built."""

from collections.abc import Iterator, Mapping
from typing import Final

from config.aws import AwsConfig
from config.errors import BuildFailed, PreflightFailed
from config.service import Build, ServiceConfig
from tasks.ecr.build import PLATFORMS, content_tag
from tasks.ecr.engine import engine
from tasks.ecr.image import pin_image
from tasks.ecr.manifest import read_architectures
from tasks.preflight.finding import Finding

__all__ = ["check_build_files", "check_engine", "check_ready_image"]

_DOCKER_NAMES: Final = {"X86_64": "amd64", "ARM64": "arm64"}


def check_ready_image(aws: AwsConfig, where: str, service: ServiceConfig) -> list[Finding]:
    """
    Check a ready image in ECR; nothing is known of an image in another registry.

    Args:
        aws: Where AWS is.
        where: The service's place in the config, e.g. `services[0]`.
        service: The service.

    Source: ECR DescribeRepositories, DescribeImages, GetAuthorizationToken.
    """
    try:
        pinned = pin_image(aws, str(service.image))
    except PreflightFailed as error:
        return [Finding(f"{where}.{error}")]
    if pinned == service.image:
        return []
    return list(_check_architecture(aws, where, service, pinned))


def _check_architecture(
    aws: AwsConfig, where: str, service: ServiceConfig, pinned: str
) -> Iterator[Finding]:
    """Whether an image in ECR is for the CPU of the tasks."""
    path, _, digest = pinned.partition("@")
    _, _, repository = path.partition("/")
    found = read_architectures(aws, repository, digest)
    wanted = _DOCKER_NAMES[service.cpu_architecture]
    if found and wanted not in found:
        architectures = " and ".join(sorted(found))
        yield Finding(
            f"{where}.image: {service.image} is for {architectures}, its tasks would run on "
            f"{wanted}; set cpu_architecture, or name an image for that CPU"
        )


def check_engine(docker_host: str | None, services: Mapping[str, ServiceConfig]) -> list[Finding]:
    """
    Check that the Docker engine can build the services' images.

    Args:
        docker_host: Its address; None for `DOCKER_HOST` or the local socket.
        services: By place in the config, e.g. `services[0]`.

    Raises:
        PreflightFailed: No engine answers there.
    """
    arch = engine(docker_host).version().get("Arch")
    findings = []
    for where, service in services.items():
        if arch and PLATFORMS[service.cpu_architecture] != f"linux/{arch}":
            text = (
                f"{where}.cpu_architecture: {service.cpu_architecture} is not the engine's "
                f"({arch}), which can build for it only with emulation; set the engine's, or "
                "install emulation"
            )
            findings.append(Finding(text, stops=False))
    return findings


def check_build_files(service: ServiceConfig) -> list[str]:
    """Find what is wrong with a build's folder and Dockerfile."""
    if service.build is None:
        return []
    return list(_build_faults(service.build, service.cpu_architecture))


def _build_faults(build: Build, cpu_architecture: str) -> Iterator[str]:
    """What is wrong with a build's folder and Dockerfile; the first fault hides the others."""
    context = build.context
    dockerfile = context / build.dockerfile
    if not context.is_dir():
        yield f"build.context: {context} is not a folder; give the folder to build"
    elif not dockerfile.is_file():
        yield f"build.dockerfile: {dockerfile} is not a file; create it, or name the right one"
    else:
        try:
            content_tag(build, cpu_architecture)
        except BuildFailed as error:
            yield f"build.context: {error}"
