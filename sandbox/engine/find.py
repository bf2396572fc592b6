"""Finds the engine to use."""

import contextlib
import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import docker
import docker.errors
import requests.exceptions

from sandbox.addresses import Addresses
from sandbox.engine.base import Engine, EngineUnavailable
from sandbox.engine.docker.engine import DockerEngine
from sandbox.engine.process.engine import ProcessEngine

__all__ = ["find_engine"]

_PATIENCE: Final = 1
"""Seconds in which a real engine must answer; docker-py takes whole ones."""
_PATIENCE_FOR_DETAILS: Final = 10


def find_engine(kind: str, registry_host: str, addresses: Addresses, run_dir: Path) -> Engine:
    """
    The engine that was asked for.

    Args:
        kind: `docker`, `process`, or `auto`: a real engine if one answers, the embedded one
            otherwise.
        registry_host: `host:port` of the registry behind ECR.
        addresses: Where the embedded engine's containers get theirs.
        run_dir: The sandbox's folder.

    Raises:
        EngineUnavailable: `docker` was asked for, and none answers.
    """
    if kind not in ("auto", "docker", "process"):
        raise EngineUnavailable(f"--engine {kind}: not one of auto, docker, process")
    if kind == "process":
        return ProcessEngine(addresses, run_dir)
    reasons = []
    for place in _places():
        reason = _why_not(place, asked_for=kind == "docker")
        if reason is None:
            return DockerEngine(place, registry_host, run_dir)
        reasons.append(f"{place}: {reason}")
    if kind == "docker":
        raise EngineUnavailable(
            f"--engine docker: {'; '.join(reasons)}. Start Docker or Podman on this machine as "
            "root, set DOCKER_HOST, "
            "or use --engine process"
        )
    return ProcessEngine(addresses, run_dir)


def _places() -> list[str]:
    """
    Where an engine may listen: `DOCKER_HOST` alone if it is set, or the sockets of Docker and of
    Podman.
    """
    if os.environ.get("DOCKER_HOST"):
        return [os.environ["DOCKER_HOST"]]
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    sockets = ("/var/run/docker.sock", f"{runtime}/docker.sock", "/run/podman/podman.sock")
    return [f"unix://{socket}" for socket in sockets]


def _why_not(place: str, *, asked_for: bool) -> str | None:
    """Why the engine there cannot be used; None when it can."""
    address = urlsplit(place)
    if address.scheme == "unix" and not os.access(address.path, os.R_OK | os.W_OK):
        return "no socket that this user may open"
    if address.scheme != "unix" and not (address.hostname or "").startswith(("127.", "localhost")):
        return "not on this machine, whose load balancer must reach the containers"
    try:
        with contextlib.closing(docker.DockerClient(base_url=place, timeout=_PATIENCE)) as client:
            client.api.timeout = _PATIENCE_FOR_DETAILS
            if not asked_for and any(
                "Podman" in part["Name"] for part in client.version()["Components"]
            ):
                # Docker takes plain HTTP from every registry on 127.0.0.0/8; Podman has to be told
                # to.
                return (
                    "Podman, which needs 127.0.0.1 as an insecure registry in its registries.conf"
                )
            return _unreachable(client.info())
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return "no engine answers"


def _unreachable(info: dict[str, Any]) -> str | None:
    """Why this machine cannot reach the addresses of the engine's containers; None when it can."""
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        return (
            "runs without root, so that its containers have no address that this machine can reach"
        )
    if "Docker Desktop" in str(info.get("OperatingSystem")):
        return (
            "runs in a virtual machine, so that its containers have no address that this machine "
            "can reach"
        )
    return None
