"""Gates: whether a service may keep the traffic that it has. Pure."""

from tasks.gates.errors import judge_connections, judge_errors
from tasks.gates.health import judge_alarms, judge_targets
from tasks.gates.judgement import Judgement, Verdict, without_open_doubles, worst
from tasks.gates.latency import judge_latency
from tasks.gates.monolith import gets_slower, is_worth_a_return, judge_monolith
from tasks.gates.statuses import Sides, judge_pairs, judge_statuses

__all__ = [
    "Judgement",
    "Sides",
    "Verdict",
    "gets_slower",
    "is_worth_a_return",
    "judge_alarms",
    "judge_connections",
    "judge_errors",
    "judge_latency",
    "judge_monolith",
    "judge_pairs",
    "judge_statuses",
    "judge_targets",
    "without_open_doubles",
    "worst",
]
