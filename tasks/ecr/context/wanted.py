"""The image tag that a build wants: its content, and the base images as they are now."""

import docker.errors
import requests.exceptions

from config.aws import AwsConfig
from config.errors import PreflightFailed
from config.service import ServiceConfig
from tasks.ecr.build import content_tag, is_tag_of, tag_with_bases
from tasks.ecr.context.dockerfile import base_images, read_dockerfile
from tasks.ecr.engine import engine
from tasks.ecr.old_images import PushedImage, read_images
from tasks.ecr.pin import PinnedImage, pin_image
from tasks.ecr.reference import ImageReference, InvalidReference, read_reference

__all__ = ["wanted_tag"]


def wanted_tag(aws: AwsConfig, docker_host: str | None, service: ServiceConfig) -> PinnedImage:
    """
    The tag of the image to build, and a note where a base image's digest is unknown.

    A base image that cannot be read does not change the tag: an image of the same content that was
    pushed before counts, so that a registry that is down does not cause a rollout.

    Raises:
        BuildFailed: The context cannot be read.
        PreflightFailed: A registry does not have a base image that has to be built from.

    Source: Docker ImageInspect, OCI distribution specification, ECR DescribeImages.
    """
    build = service.build
    if build is None:
        raise TypeError(f"{service.name} has no build")
    tag = content_tag(build, service.cpu_architecture)
    bases = {}
    for image in base_images(read_dockerfile(build), build.args):
        try:
            bases[image] = _base_digest(aws, docker_host, image)
        except _DigestUnknown as unknown:
            pushed = _pushed_tag(aws, service.name, tag)
            if unknown.is_missing and pushed is None:
                raise PreflightFailed(f"build.dockerfile: base image {unknown}") from None
            return PinnedImage(pushed or tag, _why_unknown(image, unknown))
    return PinnedImage(tag_with_bases(tag, bases))


class _DigestUnknown(Exception):
    """Raised when a base image's digest cannot be read; the message has the reason."""

    def __init__(self, reason: str, *, is_missing: bool = False) -> None:
        super().__init__(reason)
        self.is_missing = is_missing


def _base_digest(aws: AwsConfig, docker_host: str | None, image: str) -> str:
    """
    The digest of a base image.

    The engine's own comes first: a build uses it, and pulls only what it does not have.
    """
    try:
        reference = read_reference(image)
    except InvalidReference as error:
        raise _DigestUnknown(str(error)) from None
    if reference.pinned:
        return reference.digest
    local = _digest_in_engine(docker_host, image, reference)
    if local:
        return local
    try:
        pinned = pin_image(aws, image)
    except PreflightFailed as error:
        reason = str(error).removeprefix("image: ")
        raise _DigestUnknown(reason, is_missing=True) from None
    if pinned.note:
        raise _DigestUnknown(pinned.reason)
    return pinned.reference.partition("@")[2]


def _why_unknown(image: str, reason: Exception) -> str:
    """The note about a base image that is not part of the tag."""
    return (
        f"build.dockerfile: the digest of base image {image} is unknown ({reason}), so a newer "
        "one does not lead to a new image; name it as repository@sha256:… to pin it"
    )


def _digest_in_engine(docker_host: str | None, image: str, reference: ImageReference) -> str | None:
    """The digest of an image that the engine has; None when it does not, or does not answer."""
    try:
        found = engine(docker_host).images.get(image)
    except (PreflightFailed, docker.errors.DockerException, requests.exceptions.RequestException):
        return None  # The registry is read instead; whether an engine is needed is checked apart.
    for name in sorted(found.attrs.get("RepoDigests") or ()):
        known = read_reference(name)
        same = (known.registry, known.repository) == (reference.registry, reference.repository)
        if same:
            return known.digest
    return str(found.id)


def _pushed_tag(aws: AwsConfig, repository: str, tag: str) -> str | None:
    """The newest tag of the same content in ECR, with whatever base images."""

    def pushed_at(image: PushedImage) -> float:
        return image.pushed.timestamp()

    for image in sorted(read_images(aws, repository), key=pushed_at, reverse=True):
        for found in image.tags:
            if is_tag_of(found, tag):
                return found
    return None
