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
from sandbox.engine.base import Engine, EngineUnavailable, RegistryLogin
from sandbox.engine.docker.engine import DockerEngine
from sandbox.engine.process.engine import ProcessEngine

__all__ = ["find_engine"]

_TIMEOUT: Final = 1
"""Seconds in which a real engine must answer; docker-py takes whole ones."""
_TIMEOUT_FOR_DETAILS: Final = 10


def find_engine(kind: str, registry: RegistryLogin, addresses: Addresses, run_dir: Path) -> Engine:
    """
    Start the requested engine.

    Args:
        kind: `docker`, `process`, or `auto`: a real engine if one answers, the embedded one
            otherwise.
        registry: The registry behind ECR.
        addresses: Where the embedded engine's containers get theirs.
        run_dir: The sandbox's folder.

    Raises:
        EngineUnavailable: `docker` was requested, and no engine answers.
    """
    if kind not in ("auto", "docker", "process"):
        raise EngineUnavailable(f"--engine {kind}: not one of auto, docker, process")
    if kind == "process":
        return ProcessEngine(registry, addresses, run_dir)
    reasons = []
    for place in _places():
        reason = _why_not(place, asked_for=kind == "docker")
        if reason is None:
            return DockerEngine(place, registry, run_dir)
        reasons.append(f"{place}: {reason}")
    if kind == "docker":
        raise EngineUnavailable(
            f"--engine docker: {'; '.join(reasons)}. Start Docker or Podman on this machine as "
            "root, set DOCKER_HOST, or use --engine process"
        )
    return ProcessEngine(registry, addresses, run_dir)


def _places() -> list[str]:
    """Where an engine may listen: `DOCKER_HOST` if it is set, or the usual sockets."""
    if os.environ.get("DOCKER_HOST"):
        return [os.environ["DOCKER_HOST"]]
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    sockets = ("/var/run/docker.sock", f"{runtime}/docker.sock", "/run/podman/podman.sock")
    return [f"unix://{socket}" for socket in sockets]


def _why_not(place: str, *, asked_for: bool) -> str | None:
    """Why the engine there cannot be used; None when it can."""
    address = urlsplit(place)
    if address.scheme == "unix" and not os.access(address.path, os.R_OK | os.W_OK):
        return "no socket that this user can open"
    if address.scheme != "unix" and not (address.hostname or "").startswith(("127.", "localhost")):
        return "not on this machine, so the load balancer cannot reach its containers"
    try:
        with contextlib.closing(docker.DockerClient(base_url=place, timeout=_TIMEOUT)) as client:
            client.api.timeout = _TIMEOUT_FOR_DETAILS
            if not asked_for and _is_podman(client.version()):
                # Docker uses plain HTTP for registries on 127.0.0.0/8 by default; Podman does not.
                return "Podman needs 127.0.0.1 as an insecure registry in its registries.conf"
            return _unreachable(client.info())
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return "no engine answers"


def _is_podman(version: dict[str, Any]) -> bool:
    return any("Podman" in part["Name"] for part in version["Components"])


def _unreachable(info: dict[str, Any]) -> str | None:
    """Why the engine's containers have no address that is reachable here; None when they have."""
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        return "rootless: this machine cannot reach its containers by address"
    if "Docker Desktop" in str(info.get("OperatingSystem")):
        return "Docker Desktop: this machine cannot reach its containers by address"
    return None
