"""Images in ECR: digest, push, when it was pushed."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import botocore.exceptions

from config.aws import AwsConfig
from config.errors import BuildFailed
from config.service import ServiceConfig
from tasks.aws.clients import client
from tasks.aws.explain import why_refused
from tasks.aws.log import log
from tasks.aws.task import aws_task
from tasks.ecr.engine import engine
from tasks.ecr.reference import read_reference

__all__ = ["Pushed", "push_image", "read_digest", "read_pushed_at"]


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


def read_digest(
    aws: AwsConfig,
    repository: str,
    tag: str,
    *,
    account: str | None = None,
    required: bool = False,
) -> str | None:
    """
    Read the digest of a pushed image; None when the repository does not have it.

    Args:
        aws: Where AWS is.
        repository: Its repository.
        tag: Its tag.
        account: Of the registry; by default that of the credentials.
        required: Whether a missing repository is an error.

    Source: ECR DescribeImages.
    """
    image = _read_image(aws, account, repository, {"imageTag": tag}, required=required)
    return str(image["imageDigest"]) if image else None


def read_pushed_at(aws: AwsConfig, image: str) -> datetime | None:
    """
    Read when an image was pushed; None when it is not in ECR, or nobody may read it.

    Args:
        aws: Where AWS is.
        image: `registry/repository@sha256:…`.

    Source: ECR DescribeImages.
    """
    reference = read_reference(image)
    if not reference.pinned or "/" not in reference.name or reference.registry == "docker.io":
        return None
    account = None
    if reference.ecr:
        account, region = reference.ecr
        aws = aws.model_copy(update={"region": region})
    image_id = {"imageDigest": reference.digest}
    try:
        found = _read_image(aws, account, reference.repository, image_id)
    except botocore.exceptions.ClientError as error:
        # Another account's repository may be pulled from without being described.
        if account is None or why_refused(error) is None:
            raise
        return None
    return found["imagePushedAt"] if found else None


def _read_image(
    aws: AwsConfig, account: str | None, repository: str, image_id: Any, *, required: bool = False
) -> Any:
    """ECR's description of an image; None when ECR does not have it."""
    ecr = client(aws, "ecr")
    request: Any = {"repositoryName": repository, "imageIds": [image_id]}
    if account:
        request["registryId"] = account
    try:
        found = ecr.describe_images(**request)
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.InvalidParameterException):
        return None
    except ecr.exceptions.RepositoryNotFoundException:
        if required:
            raise
        return None
    return next(iter(found["imageDetails"]), None)


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
