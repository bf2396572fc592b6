"""How likely it is that so many requests of a window are of one kind."""

import math
from typing import Final

__all__ = ["EARLY_CHANCE", "chance_of_as_many"]

EARLY_CHANCE: Final = 0.001
"""
Less likely figures are not chance. Before the end of a bake a gate is judged again and again, so
what is rare in one judgement happens in some of them.
"""


def chance_of_as_many(failed: int, requests: int, rate: float) -> float:
    """Probability that at least so many requests fail, if each fails with probability `rate`."""
    if failed == 0 or rate >= 1:
        return 1.0
    if rate == 0:
        return 0.0
    fewer = range(min(failed, requests + 1))
    chances = [_chance_of(count, requests, rate) for count in fewer]
    chance_of_fewer = math.fsum(chances)
    return max(0.0, 1.0 - chance_of_fewer)


def _chance_of(failed: int, requests: int, rate: float) -> float:
    """One term of the binomial distribution."""
    # By logarithms: with many requests the factors leave the range of floats.
    good = requests - failed
    ways = _log_factorial(requests) - _log_factorial(failed) - _log_factorial(good)
    exponent = ways
    exponent += failed * math.log(rate)
    exponent += good * math.log1p(-rate)
    return math.exp(exponent)


def _log_factorial(number: int) -> float:
    """The natural logarithm of a factorial."""
    return math.lgamma(number + 1)
