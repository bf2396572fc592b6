"""Finds the engine to use."""

import os
from pathlib import Path
from typing import Final

import docker
import docker.errors
import requests.exceptions

from sandbox.addresses import Addresses
from sandbox.engine.base import Engine, EngineUnavailable
from sandbox.engine.docker import DockerEngine
from sandbox.engine.process import ProcessEngine

__all__ = ["find_engine"]

_PATIENCE: Final = 1
"""Seconds in which a real engine must answer; docker-py takes whole ones."""


def find_engine(kind: str, registry_host: str, addresses: Addresses, run_dir: Path) -> Engine:
    """
    The engine that was asked for.

    Args:
        kind: `docker`, `process`, or `auto`: a real engine if one answers, the embedded one otherwise.
        registry_host: `host:port` of the registry behind ECR.
        addresses: Where the embedded engine's containers get theirs.
        run_dir: The sandbox's folder.

    Raises:
        EngineUnavailable: `docker` was asked for, and none answers.
    """
    if kind not in ("auto", "docker", "process"):
        raise EngineUnavailable(f"--engine {kind}: not one of auto, docker, process")
    places = _places()
    found = None if kind == "process" else next(filter(_answers, places), None)
    if found:
        return DockerEngine(found, registry_host, run_dir)
    if kind == "docker":
        raise EngineUnavailable(
            f"--engine docker: no engine answers at {', '.join(places)}; start Docker or Podman, set DOCKER_HOST, "
            "or use --engine process"
        )
    return ProcessEngine(addresses, run_dir)


def _places() -> list[str]:
    """Where an engine may listen: `DOCKER_HOST` alone if it is set, or the sockets of Docker and of Podman."""
    if os.environ.get("DOCKER_HOST"):
        return [os.environ["DOCKER_HOST"]]
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    sockets = ("/var/run/docker.sock", f"{runtime}/docker.sock", "/run/podman/podman.sock")
    return [f"unix://{socket}" for socket in sockets]


def _answers(place: str) -> bool:
    if place.startswith("unix://") and not os.access(place.removeprefix("unix://"), os.R_OK | os.W_OK):
        return False
    try:
        client = docker.DockerClient(base_url=place, timeout=_PATIENCE)
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return False
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return False
    finally:
        client.close()
