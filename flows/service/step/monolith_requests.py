"""
The tool's own requests to the monolith, of all services that a run works on: one service's failing
check is no suffering of the monolith beside another service's step.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import TypeAlias
from weakref import WeakKeyDictionary

from tasks.cloudwatch.metrics import Window

__all__ = ["Sent", "add_sent", "sent_to_monolith"]

Sent: TypeAlias = Callable[[float, float], Window]
"""What was sent in a span, from its start to before its end, in seconds since the epoch."""

_sent: WeakKeyDictionary[asyncio.AbstractEventLoop, list[Sent]] = WeakKeyDictionary()


def add_sent(sent: Sent) -> None:
    """Add the requests of a step or a verification to those of this event loop's run."""
    _sent.setdefault(asyncio.get_running_loop(), []).append(sent)


def sent_to_monolith(start: float, end: float) -> Iterator[Window]:
    """
    All that were sent in a span.

    Args:
        start: Seconds since the epoch, inclusive.
        end: Seconds since the epoch, exclusive.
    """
    for sent in _sent.get(asyncio.get_running_loop(), []):
        yield sent(start, end)
