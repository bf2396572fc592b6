"""The program: reads its arguments, runs the parts with the forum in them, says where they are, waits for the end."""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sandbox.addresses import NoAddresses
from sandbox.control.faults import InvalidFaults, Plan, parse_faults
from sandbox.engine.base import EngineUnavailable
from sandbox.forum.config import write_config
from sandbox.forum.place import ForumFailed, Stopped, place_forum
from sandbox.parts import Parts, running_parts

__all__ = ["main"]

_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; exit code 0, 1 when the forum does not come up, 2 for what the user can mend."""
    options = _read_arguments(argv)
    stop = threading.Event()
    for number in _ENDS:  # a second one, while everything is being ended, finds the event set already
        signal.signal(number, lambda *_: stop.set())
    try:
        faults = parse_faults(options.faults)
        with running_parts(options.engine, options.api_port, options.record, keep_dir=options.keep_dir) as parts:
            return _run(parts, options, faults, stop)
    except (InvalidFaults, EngineUnavailable, NoAddresses, OSError) as error:
        _say(str(error))
        return 2


def _run(parts: Parts, options: argparse.Namespace, faults: Plan, stop: threading.Event) -> int:
    with contextlib.ExitStack() as stack:
        if options.keep_dir:
            stack.callback(_say, f"files of this run: {parts.run_dir}")
        _say(f"engine: {parts.engine.name} at {parts.engine.docker_host}; AWS endpoint: {parts.endpoint_url}")
        try:
            state = _settle(parts, options, stop)
        except Stopped:
            return 0
        except ForumFailed as error:
            _say(str(error))
            return 1
        # Only now: they are for whoever works with the sandbox, not for its own beginning.
        parts.faults.set(faults)
        if options.state_file:
            stack.callback(options.state_file.unlink, missing_ok=True)
            _write_whole(options.state_file, json.dumps(state) + "\n")
        print(json.dumps(state), flush=True)
        stop.wait()
        _say("ending")
        return 0


def _settle(parts: Parts, options: argparse.Namespace, stop: threading.Event) -> dict[str, Any]:
    """Put the forum in, and return the state."""
    began = time.monotonic()
    alb_url, config = None, None
    if options.forum:
        alb_url = place_forum(parts, stop, _say)
        config = str(write_config(parts))
    _say(f"ready after {time.monotonic() - began:.1f} s" + (f"; the forum answers at {alb_url}" if alb_url else ""))
    return {
        "endpoint_url": parts.endpoint_url,
        "docker_host": parts.engine.docker_host,
        "alb_url": alb_url,
        "engine": parts.engine.name,
        "config": config,
        "pid": os.getpid(),
    }


def _write_whole(path: Path, text: str) -> None:
    """Write so that whoever waits for the file never reads half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _say(message: str) -> None:
    print(f"sandbox: {message}", file=sys.stderr, flush=True)


def _read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="An embedded AWS on 127.0.0.0/8, with a forum monolith in it to rehearse on. Ends on Ctrl-C.",
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "docker", "process"),
        default="auto",
        help="what builds images and runs containers: Docker where a socket answers, else processes (auto)",
    )
    parser.add_argument("--state-file", type=_new_file, metavar="PATH", help="where to write the addresses when ready")
    parser.add_argument("--api-port", type=_port, default=0, metavar="N", help="port of the AWS API; any free one")
    parser.add_argument("--faults", default="", metavar="SPEC", help="what goes wrong, e.g. throttle=0.1,slow=0.2")
    parser.add_argument("--record", type=_new_file, metavar="FILE", help="where to write every AWS API call down")
    parser.add_argument("--keep-dir", action="store_true", help="leave this run's files behind, and say where")
    parser.add_argument("--no-forum", dest="forum", action="store_false", help="begin with an empty account")
    return parser.parse_args(argv)


def _new_file(value: str) -> Path:
    path = Path(value).absolute()
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{value}: is not a file in an existing folder; create the folder first")
    return path


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) > 65535:
        raise argparse.ArgumentTypeError(f"{value}: is not a port; give a number up to 65535, 0 for any free one")
    return int(value)
