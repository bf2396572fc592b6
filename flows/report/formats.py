"""Times and numbers as text for a person."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

__all__ = ["NONE", "clock", "duration", "milliseconds", "number", "percent", "text"]

NONE: Final = "-"
"""Shown for a missing value."""
_LISTED: Final = 3


def text(value: object) -> str:
    """The value, or a dash for None."""
    return NONE if value is None else str(value)


def percent(weight: int | None) -> str:
    """`10%`."""
    return NONE if weight is None else f"{weight}%"


def clock(seconds: float) -> str:
    """
    Local time of day.

    Args:
        seconds: Since the epoch.
    """
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 05 s`, `2:03:05 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"

    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest:02} s"
    return f"{timedelta(seconds=whole)} h"


def milliseconds(seconds: float | None) -> str:
    """`3.4 ms`, `120 ms`."""
    if seconds is None:
        return NONE

    decimals = 1 if seconds < 0.1 else 0
    return f"{seconds * 1000:.{decimals}f} ms"


def number(value: Any) -> str:
    """A float in four digits, the first items of a list, anything else as it is."""
    match value:
        case float():
            return f"{value:.4g}"
        case list() | tuple():
            return _list(value)
        case _:
            return text(value)


def _list(values: Sequence[object]) -> str:
    if not values:
        return "none"

    shown = ", ".join(str(value) for value in values[:_LISTED])
    more = len(values) - _LISTED

    if more <= 0:
        return shown
    return f"{shown} and {more} more"
