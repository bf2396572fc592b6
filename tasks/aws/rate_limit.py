"""
The pace of AWS API calls: below what AWS allows an account, in this process or across all workers.

AWS throttles an account and region, whoever calls. Token buckets of this process are enough where
one process does everything; workers that share a split share limits of their Prefect server as
well.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Final

import httpx
from prefect.concurrency.sync import rate_limit
from prefect.logging import get_logger

from config.aws import AwsConfig

__all__ = ["GLOBAL_LIMITS", "READING", "TokenBucket", "pace", "paced_across_workers", "urgently"]

# (burst, calls a second), a little below the defaults of "Request throttling for the ELB API" and
# its like.
_RATES: Final[Mapping[str, tuple[int, float]]] = {
    "elbv2:change": (18, 2.8),
    "elbv2:read": (36, 9),
    "ecs:RegisterTaskDefinition": (18, 0.95),
    "ecs:change": (45, 4.8),
    "ecs:read": (90, 18),
    "logs:change": (9, 9),
}
READING: Final = ("Describe", "List", "Get")
"""How the names of actions begin that change nothing."""


def _limit_name(kind: str) -> str:
    return f"aws-{kind.replace(':', '-').lower()}"


GLOBAL_LIMITS: Final[Mapping[str, tuple[int, float]]] = {
    _limit_name(kind): rate for kind, rate in _RATES.items()
}
"""Prefect's global concurrency limits by name: slots, and slots a second that become free again."""

_ACROSS_WORKERS: Final[ContextVar[bool]] = ContextVar("across_workers", default=False)
_URGENT: Final[ContextVar[bool]] = ContextVar("urgent", default=False)


class TokenBucket:
    """Lets `burst` calls pass at once and `rate` a second after that; shared by all threads."""

    def __init__(self, burst: float, rate: float) -> None:
        self._burst, self._rate = burst, rate
        self._tokens, self._filled = burst, time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one token, at once; return the seconds to wait before using it."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate) - 1
            self._filled = now
            return max(0.0, -self._tokens / self._rate)


@contextmanager
def paced_across_workers(*, across: bool) -> Iterator[None]:
    """
    Ask the Prefect server's limits too while the block runs; a limit that is not there limits
    nothing.
    """
    token = _ACROSS_WORKERS.set(across)
    try:
        yield
    finally:
        _ACROSS_WORKERS.reset(token)


@contextmanager
def urgently() -> Iterator[None]:
    """
    Let the block's few calls go ahead of all that wait: users' requests are failing. The others
    wait the longer.
    """
    token = _URGENT.set(True)
    try:
        yield
    finally:
        _URGENT.reset(token)


def pace(account: AwsConfig, service: str, operation: str) -> None:
    """Wait until a call may be made, in the thread that makes it."""
    exact = f"{service}:{operation}"
    kind = (
        exact
        if exact in _RATES
        else f"{service}:{'read' if operation.startswith(READING) else 'change'}"
    )
    if kind not in _RATES:
        return
    wait = _bucket(account, kind).take()
    if _URGENT.get():
        return
    time.sleep(wait)
    if _ACROSS_WORKERS.get():
        try:
            rate_limit(_limit_name(kind), strict=False)
        except httpx.HTTPError as error:
            # Traffic must get back to the monolith also while the Prefect server is away.
            get_logger("split").warning(
                "paced in this process only, the Prefect server gives no answer: %s", error
            )


@lru_cache(maxsize=64)
def _bucket(account: AwsConfig, kind: str) -> TokenBucket:
    _ = account  # each account and region has buckets of its own
    return TokenBucket(*_RATES[kind])
