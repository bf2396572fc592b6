"""The monolith's image: an ECR repository, a build, a push."""

import base64
from pathlib import Path
from typing import Any, Final

import docker

from sandbox.api.internal import internal_client
from sandbox.engine.content.base_image import BASE_IMAGE

__all__ = ["ImageFailed", "push_image"]

_TAG: Final = "1"


class ImageFailed(Exception):
    """Raised when the engine cannot build or push."""


def push_image(endpoint_url: str, docker_host: str, repository: str, context: Path) -> str:
    """
    Build the image, push it, and return its reference.

    Raises:
        ImageFailed: With the engine's own message.
    """
    ecr = internal_client(endpoint_url, "ecr")
    uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    reference = f"{uri}:{_TAG}"
    engine = docker.APIClient(base_url=docker_host, timeout=600)
    try:
        _follow(
            engine.build(
                path=str(context),
                tag=reference,
                buildargs={"BASE_IMAGE": BASE_IMAGE},
                rm=True,
                decode=True,
            )
        )
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        username, _, password = base64.b64decode(token).decode().partition(":")
        login = {"username": username, "password": password}
        _follow(engine.push(uri, tag=_TAG, auth_config=login, stream=True, decode=True))
    finally:
        engine.close()
    return reference


def _follow(events: Any) -> None:
    """Read an engine's progress to its end, which is what makes it work."""
    for event in events:
        if "error" in event:
            raise ImageFailed(event["error"].strip())
