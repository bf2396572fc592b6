"""The monolith beside a step: whether it bears what it gets, against its own past."""

import math
from typing import Final

from config.traffic import Gates
from tasks.cloudwatch.metrics import Window
from tasks.gates.chance import chance_of_as_many
from tasks.gates.judgement import Judgement

__all__ = ["gets_slower", "is_worth_a_return", "judge_monolith"]

_CHANCE: Final = 0.001
# Where none of n requests failed, up to 3/n may (with 95% confidence).
_UNSEEN: Final = 3
_SAMPLES: Final = 20
_SLOWER: Final = 2.0
_MOST_ADDED: Final = 0.2


def judge_monolith(gates: Gates, now: Window, past: Window) -> Judgement:
    """
    Judge whether the monolith fails more requests a second than before the shift.

    Rates by the second are compared, not shares: paths that fail now and then have a larger share
    of its requests when the service has taken the good ones.

    Args:
        gates: How many requests may fail.
        now: The monolith's responses since the step.
        past: Its responses before the shift.

    Returns:
        `inconclusive` while it fails more: the step has to wait.
    """
    usual = (past.failed + _UNSEEN) / max(past.seconds, 1) * now.seconds
    excess = now.failed - usual
    too_many = excess > gates.max_5xx_rate * now.requests
    rate = min(1.0, usual / max(now.requests, 1))
    chance = chance_of_as_many(now.failed, now.requests, rate)
    suffers = past.requests > 0 and too_many and chance < _CHANCE
    text = (
        f"monolith: {now.failed} of {now.requests} requests failed since the step, "
        f"{math.ceil(usual)} expected by its past"
    )
    numbers = {
        "source": "cloudwatch",
        "requests": now.requests,
        "failed": now.failed,
        "usual": round(usual, 1),
    }
    return Judgement("monolith", "inconclusive" if suffers else "pass", text, numbers)


def gets_slower(gates: Gates, now: Window, past: Window) -> bool:
    """
    Whether the monolith responds much later than before the shift.

    This slows the tool's own requests down, and fails no step: a monolith that keeps the slow paths
    looks slower as well.
    """
    if now.p95 is None or past.p95 is None or now.requests < _SAMPLES:
        return False
    return now.p95 > gates.latency_floor and now.p95 > _SLOWER * past.p95


def is_worth_a_return(service: Window, monolith: Window) -> bool:
    """
    Whether traffic may return to a monolith that suffers.

    The change of weight may be the cause, so it is taken back, unless that adds more than a fifth
    to what the monolith cannot bear already.
    """
    return service.requests <= _MOST_ADDED * monolith.requests
