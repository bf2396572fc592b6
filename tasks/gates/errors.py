"""The error gate: how many of the service's requests failed."""

from dataclasses import replace
from typing import Any

from config.traffic import Gates
from tasks.cloudwatch.metrics import Window
from tasks.gates.chance import EARLY_CHANCE, chance_of_as_many
from tasks.gates.judgement import Judgement, Verdict

__all__ = ["judge_connections", "judge_errors"]


def judge_errors(gates: Gates, source: str, window: Window, *, early: bool = False) -> Judgement:
    """
    Judge the error gate.

    A window of too few requests already fails when so many of them failed that the rate would be
    exceeded even if every request up to `min_requests` succeeded: waiting could only cost more
    users.

    Args:
        gates: Limit, and how many requests make a verdict.
        source: Where the window comes from, for the text.
        window: The service's responses.
        early: Whether the bake goes on; the gate then fails only beyond chance.
    """
    text = (
        f"{source}: {window.failed} of {window.requests} requests failed, limit "
        f"{gates.max_5xx_rate:.1%}"
    )
    verdict: Verdict = "pass"
    if _exceeds(gates, window, early=early):
        verdict = "fail"
    elif window.requests < gates.min_requests:
        verdict = "inconclusive"
        text = f"{text}; {gates.min_requests} requests are needed for a verdict"
    return Judgement("errors", verdict, text, _error_numbers(gates, source, window))


def _error_numbers(gates: Gates, source: str, window: Window) -> dict[str, Any]:
    """The numbers behind the verdict of the error gate."""
    return {
        "source": source,
        "requests": window.requests,
        "failed": window.failed,
        "rate": window.failure_rate,
        "limit": gates.max_5xx_rate,
    }


def _exceeds(gates: Gates, window: Window, *, early: bool) -> bool:
    """Whether too many requests failed."""
    enough = max(window.requests, gates.min_requests, 1)
    rate = window.failed / enough
    if rate <= gates.max_5xx_rate:
        return False
    return not early or _is_beyond_chance(gates, window, enough)


def _is_beyond_chance(gates: Gates, window: Window, enough: int) -> bool:
    """Whether the failures of an incomplete bake are too many to be chance."""
    if window.failed > window.requests:
        return False  # These figures are not complete yet.
    chance = chance_of_as_many(window.failed, enough, gates.max_5xx_rate)
    return chance < EARLY_CHANCE


def judge_connections(gates: Gates, window: Window, *, early: bool = False) -> Judgement:
    """
    Judge the connection gate: connections to the service's targets that could not be opened.

    Args:
        gates: Limit, and how many requests make a verdict.
        window: The service's responses.
        early: Whether the bake goes on; the gate then fails only beyond chance.
    """
    errors = min(window.connection_errors, window.requests)
    failing = replace(window, failed=errors)
    text = (
        f"cloudwatch: {errors} of {window.requests} requests found no connection to a target, "
        f"limit {gates.max_5xx_rate:.1%}"
    )
    verdict: Verdict = "fail" if _exceeds(gates, failing, early=early) else "pass"
    return Judgement("connections", verdict, text, _error_numbers(gates, "cloudwatch", failing))
