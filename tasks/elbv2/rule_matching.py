"""
Which rule of a listener handles a request: ALB's own semantics, as pure functions.

Rules are tried by rising priority; the first whose conditions all match acts; the default rule is
last.
Source: ELBv2 user guide, "Listener rules for your Application Load Balancer".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from config.path_pattern import covers, overlaps
from tasks.aws.parts import parts
from tasks.aws.tags import CONFIG, MANAGED_BY, SERVICE, TOOL, Owner
from tasks.elbv2.rules.condition import Condition, read_condition
from tasks.elbv2.rules.form import Form, form_of

__all__ = [
    "CHUNK",
    "CONTROL",
    "DEFAULT_PRIORITY",
    "LAST_PRIORITY",
    "LOCK",
    "PATH",
    "PREVIEW",
    "ROLE",
    "Rule",
    "by_priority",
    "chunks",
    "free_priorities",
    "header_condition",
    "matching_rules",
    "own_preview_rules",
    "own_rules",
    "path_condition",
    "receives",
    "users_rules",
    "weighted_forward",
    "weights_of",
]

LAST_PRIORITY: Final = 50_000
"""ELBv2's highest priority number, tried last; a run's lock takes it."""
DEFAULT_PRIORITY: Final = 1_000_000
"""Sorts the default rule after every other."""
ROLE: Final = "split:role"
CHUNK: Final = "split:chunk"
PATH: Final = "path"
PREVIEW: Final = "preview"
CONTROL: Final = "control"
LOCK: Final = "lock"


@dataclass(frozen=True)
class Rule:
    """One listener rule as ELBv2 describes it, with its tags."""

    arn: str
    priority: int
    conditions: tuple[dict[str, Any], ...]
    actions: tuple[dict[str, Any], ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    transforms: tuple[dict[str, Any], ...] = ()
    """How it rewrites a request's host or URL before it acts."""
    unknown: tuple[str, ...] = ()
    """Attributes of it that this tool does not read."""

    @property
    def is_default(self) -> bool:
        """Whether it is the listener's default action."""
        return self.priority == DEFAULT_PRIORITY

    @property
    def is_made_by_this_tool(self) -> bool:
        """Whether a split made it."""
        return self.tags.get(MANAGED_BY) == TOOL

    @property
    def split(self) -> str | None:
        """Name of the split that it belongs to."""
        return self.tags.get(CONFIG)

    @property
    def service(self) -> str | None:
        """Name of the service that it belongs to."""
        return self.tags.get(SERVICE)

    @property
    def role(self) -> str | None:
        """What the rule is for; None when this tool did not make it."""
        return self.tags.get(ROLE)

    @cached_property
    def conditions_read(self) -> list[Condition]:
        """Its conditions, as far as they are understood."""
        return [read_condition(described) for described in self.conditions]

    @property
    def path_patterns(self) -> tuple[str, ...]:
        """
        Its path patterns; `*` when it has none.

        A regular expression for the path may match any path: it counts as another condition.
        """
        for condition in self.conditions_read:
            if condition.is_plain_path:
                return condition.values
        return ("*",)

    @property
    def has_other_conditions(self) -> bool:
        """Whether more than its path patterns decides which requests it handles."""
        if self.unknown:
            return True
        return not all(condition.is_plain_path for condition in self.conditions_read)

    @property
    def form(self) -> Form:
        """Everything that it does, apart from its weights."""
        return form_of(self.conditions, self.actions, self.transforms)

    @property
    def label(self) -> str:
        """For messages: `rule 99 (/api*)`, `rule 9 (host-header a.b)` or `the default action`."""
        if self.is_default:
            return "the default action"
        conditions = [str(condition) for condition in self.conditions_read]
        text = " and ".join(conditions) or "*"
        return f"rule {self.priority} ({text})"


def path_condition(*patterns: str) -> Any:
    """The condition on the path, as ELBv2 takes it."""
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}}


def header_condition(name: str, value: str) -> Any:
    """The condition on a request header, as ELBv2 takes it."""
    return {
        "Field": "http-header",
        "HttpHeaderConfig": {"HttpHeaderName": name, "Values": [value]},
    }


def weighted_forward(weights: Mapping[str, int]) -> list[Any]:
    """
    The action that splits requests over target groups.

    Args:
        weights: Weight 0 to 999 by target group ARN, in order.
    """
    groups = []
    for arn, weight in weights.items():
        groups.append({"TargetGroupArn": arn, "Weight": weight})
    config = {"TargetGroups": groups}
    return [{"Type": "forward", "ForwardConfig": config}]


def weights_of(rule: Rule) -> dict[str, int]:
    """The weights that a rule forwards with, by target group ARN; empty without a forward."""
    for action in rule.actions:
        if action["Type"] == "forward":
            return _weights_of_forward(action)
    return {}


def _weights_of_forward(action: Mapping[str, Any]) -> dict[str, int]:
    """The weights of a forward action, which may be a simple one with one target group."""
    weights = {}
    config = action.get("ForwardConfig") or {}
    groups = config.get("TargetGroups") or [action]
    for group in groups:
        arn = group["TargetGroupArn"]
        weights[arn] = int(group.get("Weight", 1))
    return weights


def receives(rule: Rule, target_group_arn: str) -> bool:
    """Whether the rule can send a request to the target group."""
    return weights_of(rule).get(target_group_arn, 0) > 0


def matching_rules(rules: Iterable[Rule], pattern: str) -> list[Rule]:
    """
    The rules that can handle requests for the pattern, in the order in which ALB tries them.

    The last one takes what the others left; those before it take a part (other paths, hosts,
    headers, …).
    """
    found = []
    for rule in sorted(rules, key=by_priority):
        if _matches_some(rule, pattern):
            found.append(rule)
            if _matches_all(rule, pattern):
                break
    return found


def by_priority(rule: Rule) -> int:
    """For sorting rules in the order in which ALB tries them."""
    return rule.priority


def _matches_some(rule: Rule, pattern: str) -> bool:
    """Whether the rule can match some path that the pattern matches."""
    return any(overlaps(pattern, own) for own in rule.path_patterns)


def _matches_all(rule: Rule, pattern: str) -> bool:
    """
    Whether the rule matches every request for the pattern.

    Another condition may keep a request from it.
    """
    if rule.has_other_conditions:
        return False
    return any(covers(own, pattern) for own in rule.path_patterns)


def users_rules(rules: Iterable[Rule]) -> list[Rule]:
    """The rules for users' requests: without the preview, control and lock rules of a run."""
    return [rule for rule in rules if rule.role not in (PREVIEW, CONTROL, LOCK)]


def own_rules(rules: Iterable[Rule], owner: Owner, role: str) -> dict[int, Rule]:
    """
    The service's rules of a role, by chunk.

    With `adopt`, also the rules of another split's service of that name.
    """
    own = {}
    for rule in rules:
        if rule.role == role and _is_own(rule, owner):
            chunk = int(rule.tags.get(CHUNK, "0"))
            own[chunk] = rule
    return own


def own_preview_rules(rules: Iterable[Rule], owner: Owner) -> tuple[Rule, ...]:
    """The service's preview and control rules."""
    known = list(rules)
    preview = own_rules(known, owner, PREVIEW)
    control = own_rules(known, owner, CONTROL)
    found = [*preview.values(), *control.values()]
    return tuple(found)


def _is_own(rule: Rule, owner: Owner) -> bool:
    """Whether the rule is the service's."""
    if rule.service != owner.service:
        return False
    if owner.adopt and rule.is_made_by_this_tool:
        return True
    return owner.owns(rule.tags)


def free_priorities(taken: Iterable[int], *, before: int, after: int = 0) -> list[int]:
    """
    Unused priorities with which a new rule wins over the rule at `before`, rising.

    Args:
        taken: Priorities in use.
        before: Priority that the new rule must come before.
        after: Priority that it must come after.
    """
    first = after + 1
    end = min(before, LAST_PRIORITY + 1)
    candidates = set(range(first, end))
    return sorted(candidates.difference(taken))


def chunks(patterns: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Divide patterns into rules of at most `size` condition values each."""
    return [tuple(part) for part in parts(patterns, size)]
