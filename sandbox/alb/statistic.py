"""CloudWatch's statistics over values."""

import math
import re
from collections.abc import Sequence
from typing import Final

__all__ = ["UnknownStatistic", "statistic"]

_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")


class UnknownStatistic(ValueError):
    """Raised for a statistic that is not known here; the message lists those that are."""


def statistic(name: str, values: Sequence[float]) -> float:
    """
    One statistic of at least one value.

    Args:
        name: `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p95` or `p99.9`.
        values: Each of them counts once.

    Raises:
        UnknownStatistic: CloudWatch may know it (trimmed means, for one), but this sandbox does not.
    """
    match name:
        case "Average":
            return math.fsum(values) / len(values)
        case "Sum":
            return math.fsum(values)
        case "Minimum":
            return min(values)
        case "Maximum":
            return max(values)
        case "SampleCount":
            return float(len(values))
    percentile = _PERCENTILE.fullmatch(name)
    if not percentile:
        raise UnknownStatistic(
            f"statistic {name!r} is not known; use Average, Sum, Minimum, Maximum, SampleCount or pNN.NN"
        )
    return _percentile(sorted(values), float(percentile[1]) / 100)


def _percentile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
