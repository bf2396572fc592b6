"""Gates: whether a service may keep the traffic it was given. Pure, but for the alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from config.aws import AwsConfig
from config.traffic import Gates
from tasks.clients import client
from tasks.metrics import Window

__all__ = ["Judgement", "Verdict", "judge_alarms", "judge_errors", "judge_latency", "read_alarms", "worst"]

Verdict = Literal["pass", "fail", "inconclusive"]
# A percentile of fewer samples than this is mostly chance.
_SAMPLES: Final[Mapping[str, int]] = {"p50": 10, "p95": 20, "p99": 100}


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
    return "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"


def judge_errors(gates: Gates, source: str, window: Window) -> Judgement:
    """
    The error gate.

    A window of too few requests already fails when so many of them failed that the rate would be exceeded even if
    every request up to `min_requests` were answered well: waiting could only cost more users.
    """
    enough = max(window.requests, gates.min_requests, 1)
    rate = window.failed / enough
    numbers = {
        "source": source,
        "requests": window.requests,
        "failed": window.failed,
        "rate": round(window.failed / max(window.requests, 1), 4),
        "limit": gates.max_5xx_rate,
    }
    text = f"{source}: {window.failed} of {window.requests} requests failed, at most {gates.max_5xx_rate:.1%} may"
    if rate > gates.max_5xx_rate:
        return Judgement("errors", "fail", text, numbers)
    if window.requests < gates.min_requests:
        return Judgement("errors", "inconclusive", f"{text}; {gates.min_requests} are needed for a verdict", numbers)
    return Judgement("errors", "pass", text, numbers)


def judge_latency(gates: Gates, source: str, service: Window, monolith: Window) -> list[Judgement]:
    """The latency gates: one for each percentile with a limit."""
    limits = {name: getattr(gates.latency_ratio, name) for name in _SAMPLES}
    return [
        _judge_percentile(gates, source, name, limit, service, monolith)
        for name, limit in limits.items()
        if limit is not None
    ]


def _judge_percentile(
    gates: Gates, source: str, name: str, limit: float, service: Window, monolith: Window
) -> Judgement:
    own, other = getattr(service, name), getattr(monolith, name)
    fewest = min(service.requests, monolith.requests)
    numbers = {"source": source, "service": own, "monolith": other, "limit": limit, "requests": fewest}
    if own is None or other is None or fewest < _SAMPLES[name]:
        text = f"{source}: {fewest} requests on one side are too few for {name}"
        return Judgement(f"latency {name}", "inconclusive", text, numbers)
    text = f"{source}: {name} {own * 1000:.0f} ms, the monolith's {other * 1000:.0f} ms, at most {limit:g} times that"
    slow = own > gates.latency_floor and own > limit * other
    return Judgement(f"latency {name}", "fail" if slow else "pass", text, numbers)


def read_alarms(aws: AwsConfig, names: Sequence[str]) -> dict[str, str]:
    """
    The state of alarms by name; one that does not exist is left out.

    Source: CloudWatch DescribeAlarms.
    """
    if not names:
        return {}
    answer = client(aws, "cloudwatch").describe_alarms(
        AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    found: list[Any] = [*answer["MetricAlarms"], *answer.get("CompositeAlarms", [])]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}


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
