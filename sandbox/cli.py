"""The command line of `python -m sandbox`, and its exit codes."""

import argparse
import gc
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandbox.addresses import NoAddresses
from sandbox.api import moto_speed
from sandbox.api.faults import InvalidFaults, Plan, parse_faults
from sandbox.api.moto_patches import MotoPatches
from sandbox.api.serving import PortTaken
from sandbox.engine.base import EngineUnavailable

__all__ = ["main"]

_MOST_NODES: Final = 8
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal; 0 when it ended in order, 1 when the forum failed, 2 for bad input."""
    arguments = _read_arguments(argv)
    stop = _stop_on_signals()
    try:
        faults = parse_faults(arguments.faults)
        with MotoPatches() as patches:
            return _run(arguments, faults, stop, patches)
    except (InvalidFaults, PortTaken, EngineUnavailable, NoAddresses) as error:
        print(f"sandbox: {error}", file=sys.stderr, flush=True)
        return 2


def _run(
    arguments: argparse.Namespace, faults: Plan, stop: threading.Event, patches: MotoPatches
) -> int:
    # Most objects that are made at the start last until the end: there is no garbage to collect.
    gc.disable()
    moto_speed.prepare_import(patches)
    # moto takes a second to import; bad arguments are reported before that.
    from sandbox.program import Options, run  # noqa: PLC0415

    options = Options(
        engine=arguments.engine,
        api_port=arguments.api_port,
        forum=arguments.forum,
        state_file=arguments.state_file,
        record=arguments.record,
        nodes=arguments.nodes,
    )
    return run(options, faults, stop)


def _stop_on_signals() -> threading.Event:
    """
    An event that is set by the first signal to end; later ones have no effect.

    Python's own signal handlers run in the main thread, between two of its instructions. That is
    never, when the signal comes just before the thread begins to wait, or to another thread; and it
    may be where the thread has the event's lock. The wakeup file gets every signal at once.
    """
    stop = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in _ENDS:
        signal.signal(number, lambda *_: None)

    def wait_for_signal() -> None:
        os.read(reading, 1)
        stop.set()

    threading.Thread(target=wait_for_signal, name="signals", daemon=True).start()
    return stop


def _read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description=(
            "Run an embedded AWS on 127.0.0.0/8, with a forum monolith to rehearse a split on. "
            "Stop it with Ctrl-C."
        ),
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "docker", "process"),
        default="auto",
        help="build images and run containers with Docker, or as processes (default: auto)",
    )
    parser.add_argument(
        "--state-file",
        type=_new_file,
        metavar="PATH",
        help="write the addresses to PATH when ready",
    )
    parser.add_argument(
        "--api-port",
        type=_port,
        default=0,
        metavar="N",
        help="port of the AWS API (default: any free port)",
    )
    parser.add_argument(
        "--faults",
        default="",
        metavar="SPEC",
        help="make calls and services fail, e.g. throttle=0.1,slow=0.2",
    )
    parser.add_argument(
        "--record",
        type=_new_file,
        metavar="FILE",
        help="append every AWS API call to FILE as a JSON line",
    )
    parser.add_argument(
        "--nodes",
        type=_nodes,
        default=1,
        metavar="N",
        help="nodes of each load balancer (default: 1); see the fault rule-propagation",
    )
    parser.add_argument(
        "--no-forum", dest="forum", action="store_false", help="start with an empty account"
    )
    return parser.parse_args(argv)


def _new_file(value: str) -> Path:
    path = Path(value).absolute()
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{value}: is a folder; give the path of a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{value}: the folder does not exist; create it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(
            f"{value}: not writable; change its permissions, or give another file"
        )
    return path


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) > 65535:
        raise argparse.ArgumentTypeError(
            f"{value}: not a port number; give one up to 65535, or 0 for any free port"
        )
    return int(value)


def _nodes(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= _MOST_NODES:
        raise argparse.ArgumentTypeError(
            f"{value}: not a number of nodes; give one from 1 to {_MOST_NODES}"
        )
    return int(value)
