"""Questions to the person at the terminal, whose screen steps aside for them."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Final

__all__ = ["ask_terminal", "has_terminal", "stepping_aside"]

_YES: Final = ("y", "yes")

_SCREEN: Final[ContextVar[Callable[[], AbstractContextManager[object]]]] = ContextVar(
    "screen", default=nullcontext
)
# There is one terminal, whichever flow asks there.


@contextmanager
def stepping_aside(paused: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
    """
    Keep a screen off the terminal during the questions that the block asks.

    Args:
        paused: Keeps it off while its block runs.
    """
    token = _SCREEN.set(paused)
    try:
        yield
    finally:
        _SCREEN.reset(token)


def has_terminal() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


async def ask_terminal(question: str, evidence: str) -> bool:
    """
    Whether the person at the terminal agrees.

    The question goes to stderr, as stdout may belong to the one JSON object, and the answer is
    awaited, so that Ctrl-C ends the run while nobody answers.

    Args:
        question: For example `Drain monolith?`
        evidence: Markdown that the decision can rest on.
    """
    with _SCREEN.get()():
        print(f"\n{evidence}\n\n{question} [y/N] ", end="", file=sys.stderr, flush=True)
        answer = await _read_line()
    return answer.strip().lower() in _YES


async def _read_line() -> str:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
