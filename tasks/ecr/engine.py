"""The Docker engine that builds and pushes images."""

from functools import lru_cache
from typing import Final

import docker
import docker.errors

from config.errors import PreflightFailed

__all__ = ["engine", "engine_name"]

_NAMES: Final = {"Engine": "docker", "Podman Engine": "podman"}
_ANSWERS_WITHIN: Final = 5
_BUILDS_WITHIN: Final = 600
"""Seconds."""


@lru_cache(maxsize=8)
def engine(docker_host: str | None) -> docker.DockerClient:
    """
    Connect to the Docker engine.

    Args:
        docker_host: Its address; None for `DOCKER_HOST` or the local socket.

    Raises:
        PreflightFailed: No engine answers there.
    """
    try:
        # A build may print nothing for minutes; whether an engine is there shows sooner.
        _connect(docker_host, _ANSWERS_WITHIN).ping()
        return _connect(docker_host, _BUILDS_WITHIN)
    except (docker.errors.DockerException, OSError) as error:
        where = docker_host or "DOCKER_HOST or the local socket"
        raise PreflightFailed(
            f"docker_host: no Docker engine answers at {where} ({_root_cause(error)}); start one, "
            "or set docker_host"
        ) from None


def _connect(docker_host: str | None, timeout: int) -> docker.DockerClient:
    """Make a client, without connecting yet."""
    if docker_host:
        return docker.DockerClient(base_url=docker_host, timeout=timeout)
    return docker.from_env(timeout=timeout)


def _root_cause(error: BaseException) -> str:
    """The innermost message: docker-py, requests and urllib3 wrap each other's errors."""
    inner = error.__cause__ or error.__context__
    if inner:
        return _root_cause(inner)
    return str(error) or type(error).__name__


def engine_name(docker_host: str | None) -> str:
    """Return the engine's name for itself, e.g. `docker`, `podman` or `process`."""
    components = engine(docker_host).version().get("Components")
    name = str(components[0]["Name"]) if components else "Engine"
    return _NAMES.get(name, name)
