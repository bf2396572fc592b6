"""Gates: whether a service may keep the traffic that it has. Pure."""

from tasks.gates.errors import judge_errors
from tasks.gates.health import judge_alarms, judge_targets
from tasks.gates.judgement import Judgement, Verdict, without_open_doubles, worst
from tasks.gates.latency import judge_latency

__all__ = [
    "Judgement",
    "Verdict",
    "judge_alarms",
    "judge_errors",
    "judge_latency",
    "judge_targets",
    "without_open_doubles",
    "worst",
]
