"""Gates: whether a service may keep the traffic it was given. Pure, but for the alarms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from config.aws import AwsConfig
from config.traffic import Gates
from tasks.aws.clients import client
from tasks.cloudwatch.metrics import Window
from tasks.elbv2.target_group import TargetHealth

__all__ = [
    "Judgement",
    "Verdict",
    "judge_alarms",
    "judge_errors",
    "judge_latency",
    "judge_targets",
    "read_alarms",
    "without_open_doubles",
    "worst",
]

Verdict = Literal["pass", "fail", "inconclusive"]
# A percentile of fewer samples than this is mostly chance.
_SAMPLES: Final[Mapping[str, int]] = {"p50": 10, "p95": 20, "p99": 100}
# Before the end of a bake a gate is looked at again and again: what may be chance in one look will
# be so in some look.
_EARLY_SAMPLES: Final = 5
_EARLY_CHANCE: Final = 0.001


@dataclass(frozen=True)
class Judgement:
    """What one gate says, and the numbers it rests on."""

    gate: str
    verdict: Verdict
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


def worst(judgements: Sequence[Judgement]) -> Verdict:
    """Fail if any gate fails, else inconclusive if any is, else pass."""
    verdicts = {judgement.verdict for judgement in judgements}
    return (
        "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
    )


def judge_errors(gates: Gates, source: str, window: Window, *, early: bool = False) -> Judgement:
    """
    The error gate.

    A window of too few requests already fails when so many of them failed that the rate would be
    exceeded even if every request up to `min_requests` were answered well: waiting could only cost
    more users.

    Args:
        gates: Limit, and how many requests make a verdict.
        source: Where the window comes from, for the text.
        window: What the service answered.
        early: Whether the bake goes on. Then it fails only when so many failures are hardly chance
            at the limit's rate, and never on figures that cannot be complete: more failures than
            requests.
    """
    enough = max(window.requests, gates.min_requests, 1)
    numbers = {
        "source": source,
        "requests": window.requests,
        "failed": window.failed,
        "rate": round(window.failed / max(window.requests, 1), 4),
        "limit": gates.max_5xx_rate,
    }
    text = (
        f"{source}: {window.failed} of {window.requests} requests failed, at most "
        f"{gates.max_5xx_rate:.1%} may"
    )
    breached = window.failed / enough > gates.max_5xx_rate
    if early:
        chance = _chance_of_as_many(window.failed, enough, gates.max_5xx_rate)
        breached = breached and window.failed <= window.requests and chance < _EARLY_CHANCE
    if breached:
        return Judgement("errors", "fail", text, numbers)
    if window.requests < gates.min_requests:
        return Judgement(
            "errors",
            "inconclusive",
            f"{text}; {gates.min_requests} are needed for a verdict",
            numbers,
        )
    return Judgement("errors", "pass", text, numbers)


def _chance_of_as_many(failed: int, requests: int, rate: float) -> float:
    """
    How likely at least so many of the requests fail, if each does with the
    probability `rate`.
    """
    if failed == 0 or rate >= 1:
        return 1.0
    if rate == 0:
        return 0.0
    # Binomial terms by their logarithms: with many requests the factors leave the range of floats.
    logarithms = (
        math.lgamma(requests + 1)
        - math.lgamma(count + 1)
        - math.lgamma(requests - count + 1)
        + count * math.log(rate)
        + (requests - count) * math.log1p(-rate)
        for count in range(min(failed, requests + 1))
    )
    return max(0.0, 1.0 - math.fsum(map(math.exp, logarithms)))


def judge_latency(
    gates: Gates,
    source: str,
    service: Window,
    monolith: Window,
    before: Window | None = None,
    *,
    early: bool = False,
) -> list[Judgement]:
    """
    The latency gates: one for each percentile with a limit.

    Args:
        gates: The limits.
        source: Where the windows come from, for the text.
        service: What the service answered.
        monolith: What the monolith answered in the same time.
        before: What it answered before the shift; taken where it has too little to answer now, as
            at 100 percent.
        early: Whether the bake goes on; then a verdict needs more samples.
    """
    limits = {name: getattr(gates.latency_ratio, name) for name in _SAMPLES}
    times = _EARLY_SAMPLES if early else 1
    percentiles = [
        _Percentile(name, limit, _SAMPLES[name] * times) for name, limit in limits.items() if limit
    ]
    return [
        _judge_percentile(
            source,
            percentile,
            gates.latency_floor,
            service,
            *_baseline(percentile, monolith, before),
        )
        for percentile in percentiles
    ]


@dataclass(frozen=True)
class _Percentile:
    """A percentile that has a limit."""

    name: str
    limit: float
    samples: int
    """Fewest requests on both sides for a verdict."""


def _baseline(
    percentile: _Percentile, monolith: Window, before: Window | None
) -> tuple[Window, str]:
    """The monolith's window to compare with, and its name in a text."""
    if before and monolith.requests < percentile.samples <= before.requests:
        return before, "the monolith's before the shift"
    return monolith, "the monolith's"


def _judge_percentile(
    source: str,
    percentile: _Percentile,
    floor: float,
    service: Window,
    monolith: Window,
    whose: str,
) -> Judgement:
    name, limit = percentile.name, percentile.limit
    own, other = getattr(service, name), getattr(monolith, name)
    fewest = min(service.requests, monolith.requests)
    numbers = {
        "source": source,
        "service": own,
        "monolith": other,
        "limit": limit,
        "requests": fewest,
    }
    if own is None or other is None or fewest < percentile.samples:
        text = (
            f"{source}: {fewest} requests on one side are too few for {name}, "
            f"{percentile.samples} are needed"
        )
        return Judgement(f"latency {name}", "inconclusive", text, numbers)
    text = (
        f"{source}: {name} {own * 1000:.0f} ms, {whose} {other * 1000:.0f} ms, at most "
        f"{limit:g} times that"
    )
    slow = own > floor and own > limit * other
    return Judgement(f"latency {name}", "fail" if slow else "pass", text, numbers)


def judge_targets(health: TargetHealth) -> Judgement:
    """
    The target gate: without a healthy target every request that is sent to the service fails, or
    soon will.
    """
    numbers = {"healthy": health.healthy}
    return Judgement("targets", "pass" if health.healthy else "fail", f"targets: {health}", numbers)


def without_open_doubles(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Leave out a latency gate that one source leaves open where another has decided it."""
    decided = {item.gate for item in judgements if item.verdict != "inconclusive"}
    return [
        item
        for item in judgements
        if item.verdict != "inconclusive"
        or not item.gate.startswith("latency")
        or item.gate not in decided
    ]


def read_alarms(aws: AwsConfig, names: Sequence[str]) -> dict[str, str]:
    """
    The state of alarms by name; one that does not exist is left out.

    Source: CloudWatch DescribeAlarms.
    """
    if not names:
        return {}
    pages = client(aws, "cloudwatch").get_paginator("describe_alarms")
    found: dict[str, str] = {}
    for page in pages.paginate(
        AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    ):
        alarms: list[Any] = [*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])]
        found |= {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}
    return found


def judge_alarms(names: Sequence[str], states: Mapping[str, str]) -> list[Judgement]:
    """The alarm gates: ALARM fails, missing data and a missing alarm leave it open."""
    verdicts: dict[str, Verdict] = {"ALARM": "fail", "OK": "pass"}
    return [
        Judgement(
            f"alarm {name}",
            verdicts.get(states.get(name, ""), "inconclusive"),
            f"alarm {name} is {states.get(name, 'not there')}",
            {"state": states.get(name)},
        )
        for name in names
    ]
