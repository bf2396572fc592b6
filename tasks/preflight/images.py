"""Images: whether a ready one exists for the right CPU, and whether the others can be built."""

from collections.abc import Iterator, Mapping
from typing import Final

from config.aws import AwsConfig
from config.errors import PreflightFailed
from config.service import ServiceConfig
from tasks.ecr.build import PLATFORMS
from tasks.ecr.context.refusals import dockerfile_refusals
from tasks.ecr.engine import engine
from tasks.ecr.manifest import read_architectures
from tasks.ecr.pin import ecr_of, parse_image, pin_image
from tasks.ecr.reference import ImageReference, read_reference
from tasks.preflight.finding import Finding

__all__ = ["check_build_files", "check_engine", "check_ready_image"]

_DOCKER_NAMES: Final = {"X86_64": "amd64", "ARM64": "arm64"}


def check_ready_image(aws: AwsConfig, where: str, service: ServiceConfig) -> list[Finding]:
    """
    Check a ready image in ECR; other registries do not state a CPU without counting a pull.

    Args:
        aws: Where AWS is.
        where: The service's place in the config, e.g. `services[0]`.
        service: The service.

    Source: ECR DescribeRepositories, DescribeImages, GetAuthorizationToken.
    """
    image = str(service.image)
    try:
        registry = ecr_of(aws, parse_image(image))
        if registry is None:
            return []
        pinned = pin_image(aws, image).reference
    except PreflightFailed as error:
        return [Finding(f"{where}.{error}")]
    found = read_reference(pinned)
    return list(_check_architecture(registry.aws, where, service, found)) if found.digest else []


def _check_architecture(
    aws: AwsConfig, where: str, service: ServiceConfig, pinned: ImageReference
) -> Iterator[Finding]:
    """Whether an image in ECR is for the CPU of the tasks."""
    found = read_architectures(aws, pinned)
    wanted = _DOCKER_NAMES[service.cpu_architecture]
    if found and wanted not in found:
        architectures = " and ".join(sorted(found))
        yield Finding(
            f"{where}.image: {service.image} is for {architectures}, its tasks would run on "
            f"{wanted}; set cpu_architecture, or name an image for that CPU"
        )


def check_engine(docker_host: str | None, services: Mapping[str, ServiceConfig]) -> list[Finding]:
    """
    Check that the Docker engine can build the services' images, without building them.

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
        findings += _refusals(docker_host, where, service)
    return findings


def _refusals(docker_host: str | None, where: str, service: ServiceConfig) -> Iterator[Finding]:
    """Every instruction of the Dockerfile that the engine refuses."""
    if service.build is None:
        return
    try:
        for refusal in dockerfile_refusals(docker_host, service.build):
            yield Finding(f"{where}.build.dockerfile: {refusal}")
    except OSError as error:
        yield Finding(f"{where}.build.dockerfile: {error}; make it readable")


def check_build_files(service: ServiceConfig) -> list[str]:
    """Find a missing build folder or Dockerfile, without reading them."""
    if service.build is None:
        return []
    context = service.build.context
    dockerfile = context / service.build.dockerfile
    if not context.is_dir():
        return [f"build.context: {context} is not a folder; give the folder to build"]
    if not dockerfile.is_file():
        return [f"build.dockerfile: {dockerfile} is not a file; create it, or name the right one"]
    return []
