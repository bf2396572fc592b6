"""One run of the sandbox: its parts, the forum, the announcement, and the wait for the end."""

import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.api.faults import Plan
from sandbox.forum.config import write_config
from sandbox.forum.place import ForumFailed, Stopped, place_forum
from sandbox.parts import Parts, running_parts

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    engine: str
    """auto, docker or process."""
    api_port: int
    """Port of the AWS API; 0 for any free one."""
    forum: bool
    """Whether to start with the forum monolith."""
    state_file: Path | None
    """File to which the addresses are written when ready."""
    record: Path | None
    """File to which users' AWS API calls are appended."""
    nodes: int
    """Nodes of each load balancer."""


_BEGAN: Final = time.monotonic()


def run(options: Options, faults: Plan, stop: threading.Event) -> int:
    """
    Run until `stop` is set; return the exit code.

    Raises:
        PortTaken, EngineUnavailable, NoAddresses: As `running_parts`; nothing is left of the run.
    """
    settings = options.engine, options.api_port, options.record, options.nodes
    with running_parts(*settings) as parts:
        engine = parts.engine
        _log(f"engine: {engine.name} at {engine.docker_host}; AWS endpoint: {parts.endpoint_url}")
        try:
            state = _prepare(parts, options, stop)
        except Stopped:
            return 0
        except ForumFailed as error:
            _log(str(error))
            return 1
        # moto's tables last until the end: the collector need not traverse them again and again.
        gc.freeze()
        gc.enable()
        # Only now: faults concern the sandbox's users, not its own start.
        parts.faults.set(faults)
        with _announced(state, options.state_file):
            stop.wait()
            _log("stopping")
        return 0


def _log(message: str) -> None:
    """Print a message for people; stdout is for the state only."""
    print(f"sandbox: {message}", file=sys.stderr, flush=True)


def _prepare(parts: Parts, options: Options, stop: threading.Event) -> dict[str, Any]:
    """Place the forum if wanted; return the state to announce."""
    alb_url, config, addresses = None, None, None
    if options.forum:
        alb_url = place_forum(parts, stop, _log)
        config = str(write_config(parts))
        addresses = parts.node_addresses(str(urlsplit(alb_url).hostname))
    forum = f"; forum: {alb_url}" if alb_url else ""
    _log(f"ready after {time.monotonic() - _BEGAN:.1f} s{forum}")
    return {
        "endpoint_url": parts.endpoint_url,
        "docker_host": parts.engine.docker_host,
        "alb_url": alb_url,
        "alb_addresses": addresses,
        "engine": parts.engine.name,
        "config": config,
        "pid": os.getpid(),
    }


@contextlib.contextmanager
def _announced(state: dict[str, Any], state_file: Path | None) -> Iterator[None]:
    """Print the state and write it to the file; delete the file at the end."""
    text = json.dumps(state)
    if state_file:
        # Renamed when complete, so that no reader finds half of it.
        part = state_file.with_name(f".{state_file.name}.{os.getpid()}")
        part.write_text(f"{text}\n", encoding="utf-8")
        part.replace(state_file)
    print(text, flush=True)
    try:
        yield
    finally:
        if state_file:
            state_file.unlink(missing_ok=True)
