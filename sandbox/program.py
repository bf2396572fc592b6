"""One run: the parts with the forum in them, where they are, and the wait for the end."""

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

from sandbox.api.faults import Plan
from sandbox.forum.config import write_config
from sandbox.forum.place import ForumFailed, Stopped, place_forum
from sandbox.parts import Parts, running_parts

__all__ = ["Options", "run", "say"]


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    engine: str
    """auto, docker or process."""
    api_port: int
    """Port of the AWS API; 0 for any free one."""
    forum: bool
    """Whether the forum monolith is put in."""
    state_file: Path | None
    """Where to write the addresses when ready."""
    record: Path | None
    """Where to write every AWS API call of a user down."""


_BEGAN: Final = time.monotonic()


def run(options: Options, faults: Plan, stop: threading.Event) -> int:
    """
    Run until `stop` is set; return the exit code.

    Raises:
        PortTaken, EngineUnavailable, NoAddresses: As `running_parts`; nothing is left of the run.
    """
    with running_parts(options.engine, options.api_port, options.record) as parts:
        say(
            f"engine: {parts.engine.name} at {parts.engine.docker_host}; AWS endpoint: "
            f"{parts.endpoint_url}"
        )
        try:
            state = _settle(parts, options, stop)
        except Stopped:
            return 0
        except ForumFailed as error:
            say(str(error))
            return 1
        # moto's tables live to the end: the collector need not walk them again and again.
        gc.freeze()
        gc.enable()
        # Only now: faults are for whoever works with the sandbox, not for its own beginning.
        parts.faults.set(faults)
        with _announced(state, options.state_file):
            stop.wait()
            say("ending")
        return 0


def say(message: str) -> None:
    """Tell people; stdout belongs to the state."""
    print(f"sandbox: {message}", file=sys.stderr, flush=True)


def _settle(parts: Parts, options: Options, stop: threading.Event) -> dict[str, Any]:
    """Put the forum in, and return the state."""
    alb_url, config = None, None
    if options.forum:
        alb_url = place_forum(parts, stop, say)
        config = str(write_config(parts))
    say(
        f"ready after {time.monotonic() - _BEGAN:.1f} s"
        + (f"; the forum answers at {alb_url}" if alb_url else "")
    )
    return {
        "endpoint_url": parts.endpoint_url,
        "docker_host": parts.engine.docker_host,
        "alb_url": alb_url,
        "engine": parts.engine.name,
        "config": config,
        "pid": os.getpid(),
    }


@contextlib.contextmanager
def _announced(state: dict[str, Any], state_file: Path | None) -> Iterator[None]:
    """Say where everything is, on stdout and in the file, for as long as it is there."""
    text = json.dumps(state)
    if state_file:
        # Whoever waits for the file never reads half of it.
        part = state_file.with_name(f".{state_file.name}.{os.getpid()}")
        part.write_text(f"{text}\n", encoding="utf-8")
        part.replace(state_file)
    print(text, flush=True)
    try:
        yield
    finally:
        if state_file:
            state_file.unlink(missing_ok=True)
