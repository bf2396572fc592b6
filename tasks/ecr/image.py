"""Images in ECR: digest, push, when it was pushed."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.aws import AwsConfig
from config.errors import BuildFailed, PreflightFailed
from config.service import ServiceConfig
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.task import aws_task
from tasks.ecr.engine import engine

__all__ = ["Pushed", "pin_image", "push_image", "read_digest", "read_pushed_at"]


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


def read_digest(aws: AwsConfig, repository: str, tag: str) -> str | None:
    """
    Read the digest of a pushed image; None when ECR does not have it.

    Source: ECR DescribeImages.
    """
    image = _read_image(aws, repository, {"imageTag": tag})
    return str(image["imageDigest"]) if image else None


def read_pushed_at(aws: AwsConfig, image: str) -> datetime | None:
    """
    Read when an image was pushed; None when ECR does not have it.

    Args:
        aws: Where AWS is.
        image: `registry/repository@sha256:…`.

    Source: ECR DescribeImages.
    """
    reference, _, digest = image.partition("@")
    repository = reference.partition("/")[2]
    if not digest or not repository:
        return None
    found = _read_image(aws, repository, {"imageDigest": digest})
    return found["imagePushedAt"] if found else None


def _read_image(aws: AwsConfig, repository: str, image_id: Any) -> Any:
    """ECR's description of an image; None when ECR does not have it."""
    ecr = client(aws, "ecr")
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[image_id])
    except (
        ecr.exceptions.ImageNotFoundException,
        ecr.exceptions.InvalidParameterException,
        ecr.exceptions.RepositoryNotFoundException,
    ):
        return None
    return next(iter(found["imageDetails"]), None)


def pin_image(aws: AwsConfig, image: str) -> str:
    """
    Replace a ready image's tag with its digest; an image that is not in ECR stays as it is.

    Raises:
        PreflightFailed: ECR has the repository, but not the tag.

    Source: ECR DescribeRepositories, DescribeImages.
    """
    host, _, path = image.partition("/")
    repository, _, tag = path.partition(":")
    if "@" in image or _read_uri(aws, repository) != f"{host}/{repository}":
        return image
    digest = read_digest(aws, repository, tag or "latest")
    if digest is None:
        raise PreflightFailed(f"image: {image} is not in ECR; push it, or name a tag that is there")
    return f"{host}/{repository}@{digest}"


def _read_uri(aws: AwsConfig, repository: str) -> str | None:
    """The URI of a repository; None when ECR does not have it."""
    ecr = client(aws, "ecr")
    try:
        found = ecr.describe_repositories(repositoryNames=[repository])
    except (ecr.exceptions.RepositoryNotFoundException, ecr.exceptions.InvalidParameterException):
        return None
    return found["repositories"][0]["repositoryUri"]


@aws_task("push image of {service.name}", tags=("docker",))
def push_image(
    aws: AwsConfig, docker_host: str | None, service: ServiceConfig, uri: str, tag: str
) -> Pushed:
    """
    Push the image with a fresh ECR token, unless ECR has it already.

    Raises:
        BuildFailed: The registry refused it, or ECR does not have it afterwards.

    Source: ECR GetAuthorizationToken, DescribeImages; OCI distribution.
    """
    existing = read_digest(aws, service.name, tag)
    if existing:
        return Pushed(uri, tag, existing)
    stream = engine(docker_host).api.push(
        uri, tag=tag, auth_config=_login(aws), stream=True, decode=True
    )
    _follow(stream, f"{uri}:{tag}")
    digest = read_digest(aws, service.name, tag)
    if digest is None:
        raise BuildFailed(f"push of {uri}:{tag}: ECR does not have the image afterwards; run again")
    log().info("pushed %s:%s as %s", uri, tag, digest)
    return Pushed(uri, tag, digest)


def _login(aws: AwsConfig) -> dict[str, str]:
    """Docker's auth config; kept in memory, never in ~/.docker."""
    found = client(aws, "ecr").get_authorization_token()
    token = found["authorizationData"][0]["authorizationToken"]
    decoded = base64.b64decode(token).decode()
    username, _, password = decoded.partition(":")
    return {"username": username, "password": password}


def _follow(stream: Any, reference: str) -> None:
    """Log a push's output to its end."""
    for event in stream:
        if "error" in event:
            error = event["error"].strip()
            raise BuildFailed(f"push of {reference}: {error}; check the repository and its policy")
        _log_status(event)


def _log_status(event: Any) -> None:
    """Log a line of the output, without the progress of each layer."""
    if event.get("status") and "progress" not in event:
        log().debug("%s", event["status"])
