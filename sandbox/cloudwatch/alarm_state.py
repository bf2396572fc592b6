"""
What state an alarm is in, from the data points of its evaluation range.

Source: CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data" and its two
    tables of examples.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["COMPARISONS", "SPARE_PERIODS", "judge"]

SPARE_PERIODS: Final = 2
"""Periods before its evaluation periods that an alarm also reads, in case some have no data."""
COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}
_WITHOUT_DATA: Final = {"breaching": "ALARM", "ignore": None, "notBreaching": "OK"}


def judge(
    points: Sequence[bool | None], periods: int, datapoints: int, treat_missing: str
) -> str | None:
    """
    Judge the points of an evaluation range.

    Args:
        points: Newest first: whether it breaches, None where there is no data.
        periods: Evaluation periods (N).
        datapoints: Datapoints to alarm (M of N).
        treat_missing: `missing`, `ignore`, `breaching` or `notBreaching`.

    Returns:
        OK, ALARM or INSUFFICIENT_DATA; None to keep the state as it is.
    """
    real = [(age, breaches) for age, breaches in enumerate(points) if breaches is not None]
    if not real:
        return _WITHOUT_DATA.get(treat_missing, "INSUFFICIENT_DATA")
    filled = max(0, periods - len(real))
    breaching = sum(breaches for _, breaches in real[:periods])
    if treat_missing == "breaching":
        breaching += filled
    if breaching >= datapoints:
        return "ALARM"
    # AWS's "premature alarm state": too few points, but all of them breach and the oldest is old
    # enough.
    oldest, _ = real[-1]
    all_breach = all(breaches for _, breaches in real)
    if filled and all_breach and treat_missing != "notBreaching" and oldest + 1 >= datapoints:
        return None if treat_missing == "ignore" else "ALARM"
    return "OK"
