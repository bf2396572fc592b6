"""CloudWatch's statistics over values."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["UnknownStatistic", "check_statistic", "statistic"]

_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")
_PLAIN: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "Average": lambda values: math.fsum(values) / len(values),
    "Sum": math.fsum,
    "Minimum": min,
    "Maximum": max,
    "SampleCount": lambda values: float(len(values)),
}


class UnknownStatistic(ValueError):
    """Raised for a statistic that is not supported; the message lists those that are."""


def check_statistic(name: str) -> None:
    """
    Refuse what `statistic` cannot compute.

    Raises:
        UnknownStatistic: CloudWatch may have it (trimmed means, for example); the sandbox does not.
    """
    if name not in _PLAIN and not _PERCENTILE.fullmatch(name):
        raise UnknownStatistic(
            f"statistic {name!r} is not supported; use {', '.join(_PLAIN)} or pNN.NN"
        )


def statistic(name: str, values: Sequence[float]) -> float:
    """
    One statistic of at least one value.

    Args:
        name: `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p95`
            or `p99.9`.
        values: Each of them counts once.

    Raises:
        UnknownStatistic: See `check_statistic`.
    """
    check_statistic(name)
    if name in _PLAIN:
        return _PLAIN[name](values)
    return _percentile(sorted(values), float(name[1:]) / 100)


def _percentile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
