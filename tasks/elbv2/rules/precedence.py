"""Rules that go before a path rule and take its requests: pure."""

from collections.abc import Iterable, Iterator

from config.path_pattern import overlaps
from tasks.elbv2.rule_matching import PATH, Rule, receives, users_rules, weights_of
from tasks.elbv2.rules.edits import recorded_priority

__all__ = ["overtaken", "overtaking_rules"]


def overtaken(rule: Rule, rules: Iterable[Rule], monolith_group: str) -> str | None:
    """
    Why a path rule does not handle all the requests that it was made for; None when it does.

    Args:
        rule: The path rule of a service.
        rules: All rules of the listener.
        monolith_group: ARN of the monolith's target group.
    """
    found = overtaking_rules(rule, rules, monolith_group)
    if not found:
        return None
    first = found[0]
    owner = f" of service {rule.service}" if rule.service else ""
    return (
        f"{first.label} now comes before {rule.label}{owner} and takes some of its requests: "
        "somebody else made or moved one of the two; traffic stays as it is. Remove that rule, or "
        "move it behind with `aws elbv2 set-rule-priorities --rule-priorities "
        f"RuleArn={first.arn},Priority=N` and a free N above {rule.priority}, then run again"
    )


def overtaking_rules(rule: Rule, rules: Iterable[Rule], monolith_group: str) -> list[Rule]:
    """
    The rules that take requests from a path rule, and did not when it was placed.

    It was placed before every rule for the monolith, and where no other rule took its paths, unless
    by conditions of another kind.

    Args:
        rule: The path rule of a service.
        rules: All rules of the listener.
        monolith_group: ARN of the monolith's target group.
    """
    own_groups = set(weights_of(rule)) - {monolith_group}
    return [
        other
        for other in _rules_before(rule, rules)
        if _takes_from(other, rule, monolith_group) and not _serves(other, own_groups)
    ]


def _rules_before(rule: Rule, rules: Iterable[Rule]) -> Iterator[Rule]:
    """The rules of users' requests that are tried before it, and match some of its paths."""
    for other in users_rules(rules):
        is_own = other.role == PATH and (other.split, other.service) == (rule.split, rule.service)
        if other.priority < rule.priority and not is_own and _overlap(other, rule):
            yield other


def _overlap(one: Rule, other: Rule) -> bool:
    """Whether both can match some path."""
    for pattern in one.path_patterns:
        if any(overlaps(pattern, rival) for rival in other.path_patterns):
            return True
    return False


def _takes_from(other: Rule, rule: Rule, monolith_group: str) -> bool:
    """Whether a rule before a path rule can only have come there later."""
    if receives(other, monolith_group) or not other.has_other_conditions:
        return True
    return other.priority > recorded_priority(rule)


def _serves(other: Rule, target_groups: set[str]) -> bool:
    """Whether a rule sends its requests to these target groups only."""
    weights = weights_of(other)
    receivers = {arn for arn in weights if weights[arn] > 0}
    return bool(receivers) and receivers <= target_groups
