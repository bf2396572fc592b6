"""
Paces the tool's own requests: all of a run share one budget, so that testing never loads the
monolith more than its users' traffic varies by itself.

Every request waits for its turn in `tasks.http.client.fetch`. Signs of overload slow all of them
down, and fine responses let them return to their rate.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from config.traffic import OwnRequests

__all__ = ["Pace", "pace"]

_BURST: Final = 3
"""Requests that may follow each other at once after a pause."""
_LONGEST_SLEEP: Final = 0.25
"""Seconds until a changed rate counts for requests that wait already."""
_SLOWEST: Final = 1.0
"""Requests a second that are sent in any case."""
_SLOWEST_FACTOR: Final = 1 / 16
_RECOVERY: Final = 1.25
_ONCE: Final = 1.0
"""Seconds in which several signs of one overload count once."""
_OVERLOADED: Final = (429, 503, 504)


class Pace:
    """
    Lets requests pass one after the other, at a rate.

    Args:
        now: Seconds of a clock that never goes back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._turns = asyncio.Lock()
        self._next = now()
        self._allowed: float = OwnRequests().least
        self._factor = 1.0
        self._slowed_at = -_ONCE

    @property
    def rate(self) -> float:
        """Requests a second."""
        return max(_SLOWEST, self._allowed * self._factor)

    def allow(self, rate: float) -> None:
        """Set the rate at which requests may pass while nothing is overloaded."""
        self._allowed = rate

    def slow_down(self) -> None:
        """Halve the rate, at most once a second."""
        now = self._now()
        if now - self._slowed_at >= _ONCE:
            self._slowed_at = now
            self._factor = max(_SLOWEST_FACTOR, self._factor / 2)

    def recover(self) -> None:
        """Let a slowed rate rise by a quarter, at most once a second."""
        now = self._now()
        if self._factor < 1 and now - self._slowed_at >= _ONCE:
            self._slowed_at = now
            self._factor = min(1.0, self._factor * _RECOVERY)

    async def turn(self) -> None:
        """Wait until the next request may be sent; first come, first served."""
        async with self._turns:
            # The clock is the condition.
            while (wait := self._next - self._now()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(min(wait, _LONGEST_SLEEP))
            earliest = self._now() - _BURST / self.rate
            self._next = max(self._next, earliest) + 1 / self.rate

    def observe(self, status: int) -> None:
        """
        Take a response as a sign of overload, or of its end.

        Args:
            status: HTTP status; 0 without a response.
        """
        if status in _OVERLOADED:
            self.slow_down()
        elif status:
            self.recover()


_paces: WeakKeyDictionary[asyncio.AbstractEventLoop, Pace] = WeakKeyDictionary()


def pace() -> Pace:
    """The budget of all requests in this event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _paces:
        _paces[loop] = Pace()
    return _paces[loop]
