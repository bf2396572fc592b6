"""
Rate limits of AWS API calls: below what AWS allows an account, in this process or across workers.

AWS throttles per account and region. Token buckets in this process are enough where one process
does everything; workers that share a split also share the limits of their Prefect server.
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

# (burst, calls a second), a little below AWS's documented defaults, e.g. "Request throttling
# for the ELB API".
_RATES: Final[Mapping[str, tuple[int, float]]] = {
    "elbv2:change": (18, 2.8),
    "elbv2:read": (36, 9),
    "ecs:RegisterTaskDefinition": (18, 0.95),
    "ecs:change": (45, 4.8),
    "ecs:read": (90, 18),
    "logs:change": (9, 9),
}
READING: Final = ("Describe", "List", "Get")
"""Prefixes of the actions that change nothing."""


def _limit_name(kind: str) -> str:
    """The name of Prefect's limit, e.g. `aws-elbv2-read`."""
    name = kind.replace(":", "-").lower()
    return f"aws-{name}"


GLOBAL_LIMITS: Final[Mapping[str, tuple[int, float]]] = {
    _limit_name(kind): rate for kind, rate in _RATES.items()
}
"""Prefect's global concurrency limits by name: (slots, slots freed per second)."""

_ACROSS_WORKERS: Final[ContextVar[bool]] = ContextVar("across_workers", default=False)
_URGENT: Final[ContextVar[bool]] = ContextVar("urgent", default=False)


class TokenBucket:
    """Lets `burst` calls pass at once and then `rate` a second; shared by all threads."""

    def __init__(self, burst: float, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = burst
        self._filled = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one token at once; return the seconds to wait before using it."""
        with self._lock:
            now = time.monotonic()
            refilled = self._tokens + (now - self._filled) * self._rate
            self._tokens = min(self._burst, refilled) - 1
            self._filled = now
            return max(0.0, -self._tokens / self._rate)


@contextmanager
def paced_across_workers(*, across: bool) -> Iterator[None]:
    """Apply the Prefect server's limits too while the block runs; a missing limit is ignored."""
    token = _ACROSS_WORKERS.set(across)
    try:
        yield
    finally:
        _ACROSS_WORKERS.reset(token)


@contextmanager
def urgently() -> Iterator[None]:
    """
    Let the block's calls skip the queue, because users' requests are failing.

    They still take tokens, so the calls after them wait longer.
    """
    token = _URGENT.set(True)
    try:
        yield
    finally:
        _URGENT.reset(token)


def pace(account: AwsConfig, service: str, operation: str) -> None:
    """Wait until a call may be made, in the thread that makes it."""
    kind = _kind(service, operation)
    if kind not in _RATES:
        return
    wait = _bucket(account, kind).take()
    if _URGENT.get():
        return
    time.sleep(wait)  # the token bucket says when this call's turn comes: there is nothing to await
    if _ACROSS_WORKERS.get():
        _pace_across_workers(kind)


def _kind(service: str, operation: str) -> str:
    """The key of `_RATES` for an operation."""
    exact = f"{service}:{operation}"
    if exact in _RATES:
        return exact
    if operation.startswith(READING):
        return f"{service}:read"
    return f"{service}:change"


@lru_cache(maxsize=64)
def _bucket(account: AwsConfig, kind: str) -> TokenBucket:
    """Return the bucket of an account and region, made once."""
    _ = account
    burst, rate = _RATES[kind]
    return TokenBucket(burst, rate)


def _pace_across_workers(kind: str) -> None:
    """Wait for the Prefect server's limit as well."""
    try:
        rate_limit(_limit_name(kind), strict=False)
    except httpx.HTTPError as error:
        # Traffic must return to the monolith even while the Prefect server is down.
        get_logger("split").warning(
            "rate limit applied in this process only; no response from the Prefect server: %s",
            error,
        )
