"""The monolith's image: an ECR repository, a build, a push."""

import base64
import contextlib
from pathlib import Path
from typing import Any, Final

import docker

from sandbox.api.internal import internal_client
from sandbox.engine.content.base_image import BASE_IMAGE

__all__ = ["ImageFailed", "push_image"]

_TAG: Final = "1"


class ImageFailed(Exception):
    """Raised when the engine cannot build or push the image."""


def push_image(endpoint_url: str, docker_host: str, repository: str, context: Path) -> str:
    """
    Build the image, push it, and return its reference.

    Raises:
        ImageFailed: With the engine's own message.
    """
    ecr = internal_client(endpoint_url, "ecr")
    uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    reference = f"{uri}:{_TAG}"
    args = {"BASE_IMAGE": BASE_IMAGE}
    with contextlib.closing(docker.APIClient(base_url=docker_host, timeout=600)) as engine:
        _finish(
            engine.build(path=str(context), tag=reference, buildargs=args, rm=True, decode=True)
        )
        login = _login(ecr)
        _finish(engine.push(uri, tag=_TAG, auth_config=login, stream=True, decode=True))
    return reference


def _login(ecr: Any) -> dict[str, str]:
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    username, _, password = base64.b64decode(token).decode().partition(":")
    return {"username": username, "password": password}


def _finish(events: Any) -> None:
    """Read an engine's progress to its end; the engine works only while it is read."""
    for event in events:
        if "error" in event:
            raise ImageFailed(event["error"].strip())
