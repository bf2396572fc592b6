"""Where in a listener a new rule belongs: pure."""

from collections.abc import Iterable, Sequence

from config.errors import ResourceConflict
from tasks.elbv2.path_rule import PathRule
from tasks.elbv2.rule_matching import (
    DEFAULT_PRIORITY,
    PATH,
    Rule,
    free_priorities,
    matching_rules,
    own_rules,
    receives,
    users_rules,
)

__all__ = ["choose_priority", "free_priority", "place_rule"]


def place_rule(rules: list[Rule], desired: PathRule, monolith_group: str) -> tuple[int, int]:
    """
    Between which priorities a new rule belongs.

    It has to win over every rule that sends its paths to the monolith, a preview rule also over the
    service's own path rules. It must not win over what others put before the monolith.

    Returns:
        The priority it must come after, and the one it must come before.
    """
    own = own_rules(rules, desired.owner, PATH).values()
    others = [rule for rule in users_rules(rules) if rule not in own]
    matching = _matching_any(others, desired.patterns)
    losers = [rule for rule in matching if receives(rule, monolith_group)]
    if desired.role != PATH:
        losers += own
    before = min((rule.priority for rule in losers), default=DEFAULT_PRIORITY)
    after = max((rule.priority for rule in matching if rule.priority < before), default=0)
    return after, before


def _matching_any(rules: Sequence[Rule], patterns: Iterable[str]) -> list[Rule]:
    """The rules that can handle requests for any of the patterns."""
    found: list[Rule] = []
    for pattern in patterns:
        found += matching_rules(rules, pattern)
    return found


def choose_priority(rules: list[Rule], desired: PathRule, monolith_group: str) -> int | None:
    """
    The priority for a new rule; None when none is free at its place.

    A path rule leaves room before it for its preview and control rules, and some behind it for
    rules of others. Preview and control rules are temporary, and take what is next to it.
    """
    after, before = place_rule(rules, desired, monolith_group)
    taken = [rule.priority for rule in rules]
    free = free_priorities(taken, before=before, after=after)
    if not free:
        return None
    if desired.role != PATH:
        return free[-1]
    three_quarters = 3 * len(free) // 4
    return free[three_quarters]


def free_priority(rules: list[Rule], desired: PathRule, monolith_group: str) -> int:
    """
    The priority for a new rule.

    Raises:
        ResourceConflict: None is free at its place.
    """
    priority = choose_priority(rules, desired, monolith_group)
    if priority is None:
        after, before = place_rule(rules, desired, monolith_group)
        raise ResourceConflict(
            f"no rule priority is free between {after} and {before}: make room with "
            "`aws elbv2 set-rule-priorities`, then run again"
        )
    return priority
