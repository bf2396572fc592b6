"""
SIGTERM, with which Prefect cancels a run, ends it at an await, so that everything can bring its traffic back.

Prefect's own handler raises wherever the main thread happens to be: in a busy event loop that is often a probe or a
callback, which then swallows the exception, and the run goes on until it is killed half a minute later.
"""

import asyncio
import contextlib
import signal
from contextvars import ContextVar
from typing import Any, Final

__all__ = ["heed_sigterm"]

_ROOT: Final[ContextVar["asyncio.Task[Any] | None"]] = ContextVar("root", default=None)


def heed_sigterm() -> None:
    """
    Let SIGTERM cancel the outermost flow of this process, once.

    Every flow calls it first, subflows too: Prefect puts its own handler in place whenever one begins, and when that
    ends, what was there before.
    """
    root = _ROOT.get() or asyncio.current_task()
    if root is None:
        raise RuntimeError("heed_sigterm is for coroutines that run in an asyncio task, as flows do")
    _ROOT.set(root)
    with contextlib.suppress(ValueError, RuntimeError):  # outside the main thread nobody gets signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel_once, root)


def _cancel_once(task: "asyncio.Task[Any]") -> None:
    """A second signal must not interrupt what the first one has begun."""
    if not task.cancelling():
        task.cancel("SIGTERM")
