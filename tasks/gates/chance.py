"""How likely it is that so many requests of a window are of one kind."""

import math
from typing import Final

__all__ = ["EARLY_CHANCE", "chance_of_as_many"]

EARLY_CHANCE: Final = 0.001
"""
Less likely figures are not chance. Before the end of a bake a gate is judged again and again, so
what is rare in one judgement happens in some of them.
"""
_NEGLIGIBLE: Final = 1e-9


def chance_of_as_many(count: int, requests: int, rate: float) -> float:
    """
    Probability that at least `count` of the requests are of a kind, if each is with probability
    `rate`; 1 where the count is not above the expected one.
    """
    if count <= requests * rate or count == 0:
        return 1.0
    if rate == 0:
        return 0.0
    chance = 0.0
    # Above the expected count, each term is smaller than the one before.
    for more in range(count, requests + 1):
        term = _chance_of(more, requests, rate)
        chance += term
        if term <= chance * _NEGLIGIBLE:
            break
    return min(chance, 1.0)


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
