"""The command line of `python -m sandbox`, and its exit codes."""

import argparse
import functools
import gc
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import botocore.loaders

from sandbox.addresses import NoAddresses
from sandbox.api.faults import InvalidFaults, parse_faults
from sandbox.api.port import PortTaken
from sandbox.engine.base import EngineUnavailable

__all__ = ["main"]

_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run until SIGINT or SIGTERM; exit code 0, 1 when the forum does not come up, 2 for what the user
    can mend.
    """
    arguments = _read_arguments(argv)
    stop = _stop_on_signals()
    try:
        faults = parse_faults(arguments.faults)
        _hasten_start()
        # moto takes a second to import, which bad arguments need not wait for.
        from sandbox.program import Options, run  # noqa: PLC0415

        options = Options(
            engine=arguments.engine,
            api_port=arguments.api_port,
            forum=arguments.forum,
            state_file=arguments.state_file,
            record=arguments.record,
        )
        return run(options, faults, stop)
    except (InvalidFaults, PortTaken, EngineUnavailable, NoAddresses) as error:
        print(f"sandbox: {error}", file=sys.stderr, flush=True)
        return 2


def _stop_on_signals() -> threading.Event:
    """
    An event that is set by the first signal to end; further ones, while everything is being ended,
    do nothing.
    """
    stop = threading.Event()
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def wait_for_signal() -> None:
        signals.get()
        stop.set()

    # Not set by the signal handler: it interrupts the main thread anywhere, also where that holds
    # the event's own lock.
    threading.Thread(target=wait_for_signal, name="signals", daemon=True).start()
    for number in _ENDS:
        signal.signal(number, lambda received, _: signals.put(received))
    return stop


def _hasten_start() -> None:
    """
    Save half a second: moto and boto3 make many objects that stay, and read the same API models
    repeatedly.
    """
    gc.disable()
    # Every botocore session has a loader with a cache of its own, and moto makes many sessions.
    botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)


def _read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description=(
            "An embedded AWS on 127.0.0.0/8, with a forum monolith in it to rehearse on. Ends on "
            "Ctrl-C."
        ),
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "docker", "process"),
        default="auto",
        help=(
            "what builds images and runs containers: Docker where a socket answers, else "
            "processes (auto)"
        ),
    )
    parser.add_argument(
        "--state-file",
        type=_new_file,
        metavar="PATH",
        help="where to write the addresses when ready",
    )
    parser.add_argument(
        "--api-port", type=_port, default=0, metavar="N", help="port of the AWS API; any free one"
    )
    parser.add_argument(
        "--faults", default="", metavar="SPEC", help="what goes wrong, e.g. throttle=0.1,slow=0.2"
    )
    parser.add_argument(
        "--record", type=_new_file, metavar="FILE", help="where to write every AWS API call down"
    )
    parser.add_argument(
        "--no-forum", dest="forum", action="store_false", help="begin with an empty account"
    )
    return parser.parse_args(argv)


def _new_file(value: str) -> Path:
    path = Path(value).absolute()
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(
            f"{value}: is not a file in an existing folder; create the folder first"
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(
            f"{value}: cannot be written; change its permissions, or give another file"
        )
    return path


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) > 65535:
        raise argparse.ArgumentTypeError(
            f"{value}: is not a port; give a number up to 65535, 0 for any free one"
        )
    return int(value)
