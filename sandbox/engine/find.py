"""Finds the engine to use."""

from pathlib import Path

from sandbox.addresses import Addresses
from sandbox.engine.base import Engine, EngineUnavailable
from sandbox.engine.process import ProcessEngine

__all__ = ["find_engine"]


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
    if kind == "docker":
        raise EngineUnavailable(f"--engine docker: not connected to {registry_host} yet; use --engine process")
    return ProcessEngine(addresses, run_dir)
