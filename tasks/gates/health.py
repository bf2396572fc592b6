"""The gates of target health and of the config's alarms."""

from collections.abc import Iterable, Mapping
from typing import Final

from tasks.elbv2.target_group import TargetHealth
from tasks.gates.judgement import Judgement, Verdict

__all__ = ["judge_alarms", "judge_targets"]

_ALARM_VERDICTS: Final[Mapping[str | None, Verdict]] = {"ALARM": "fail", "OK": "pass"}


def judge_targets(health: TargetHealth) -> Judgement:
    """Judge the target gate: without a healthy target, the service's requests fail."""
    verdict: Verdict = "pass" if health.healthy else "fail"
    return Judgement("targets", verdict, f"targets: {health}", {"healthy": health.healthy})


def judge_alarms(names: Iterable[str], states: Mapping[str, str]) -> list[Judgement]:
    """Judge the alarm gates: ALARM fails; missing data and a missing alarm are inconclusive."""
    return [_judge_alarm(name, states.get(name)) for name in names]


def _judge_alarm(name: str, state: str | None) -> Judgement:
    """Judge one alarm; without a state it does not exist."""
    gate = f"alarm {name}"
    verdict = _ALARM_VERDICTS.get(state, "inconclusive")
    text = f"{gate} is {state}" if state else f"{gate} does not exist"
    return Judgement(gate, verdict, text, {"state": state})
