"""
SIGTERM, with which Prefect cancels a run, ends it at an await, so that everything can bring its
traffic back.

Prefect's own handler raises wherever the main thread happens to be: in a busy event loop that is
often a probe or a callback, which then swallows the exception, and the run goes on until it is
killed half a minute later. Ours takes its place, and not another place: Prefect calls a run
Cancelled, and not Crashed, only if its own handler is installed.
"""

import asyncio
import signal
from types import FrameType
from typing import Any, Final

from prefect.exceptions import TerminationSignal
from prefect.utilities import engine

__all__ = ["cancel_once", "install"]

_ROOTS: Final[list["asyncio.Task[Any]"]] = []


def install() -> None:
    """
    Let SIGTERM cancel the outermost flow of this process; every flow that a worker may start calls
    it first.
    """
    root = asyncio.current_task()
    if root is not None and all(task.done() for task in _ROOTS):
        _ROOTS[:] = [root]
    # The handler of this run is in place already, that of later ones will be ours.
    is_in_place = engine.is_prefect_sigterm_handler_installed()
    engine._prefect_sigterm_handler = _handle  # type: ignore[assignment]  # noqa: SLF001 - see above
    if is_in_place:
        signal.signal(signal.SIGTERM, _handle)


def cancel_once(task: "asyncio.Task[Any]") -> None:
    """Cancel a task; a second signal must not interrupt what the first one has begun."""
    if not task.cancelling():
        task.cancel()


def _handle(number: int, frame: FrameType | None = None) -> None:
    """In the main thread, between two instructions of whatever runs there."""
    _ = frame
    working = [task for task in _ROOTS if not task.done()]
    if not working:
        raise TerminationSignal(signal=number)
    for task in working:
        task.get_loop().call_soon_threadsafe(cancel_once, task)
