"""Whether every rule of the run will find a free priority on the listener: pure."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from tasks.elbv2.lock import priority_taken
from tasks.elbv2.path_rule import PathRule
from tasks.elbv2.rule_matching import (
    LAST_PRIORITY,
    LOCK,
    PATH,
    ROLE,
    Rule,
    own_rules,
    weighted_forward,
)
from tasks.elbv2.rule_priority import choose_priority, place_rule
from tasks.preflight.finding import Finding
from tasks.preflight.rules.routes import Claim

__all__ = ["lint_priorities"]

_LOCK_RULE: Final = Rule("planned/lock", LAST_PRIORITY, (), (), {ROLE: LOCK})


def lint_priorities(
    claims: Sequence[Claim], rules: Sequence[Rule], monolith_group: str, max_parallel: int
) -> Iterator[Finding]:
    """
    Check that every rule of the run will find a free priority, by placing them as the run will.

    Args:
        claims: The services in the order in which they will be worked on.
        rules: All rules of the listener.
        monolith_group: ARN of the monolith's target group.
        max_parallel: Services that have their preview and control rules at the same time.
    """
    yield from _lint_lock(rules)
    listener = _PlannedListener(monolith_group, list(rules), deque(maxlen=max_parallel))
    for claim in claims:
        if not listener.place(claim):
            yield _no_room(claim, rules, monolith_group)


def _lint_lock(rules: Sequence[Rule]) -> Iterator[Finding]:
    """A rule of others that has the lock's priority."""
    for rule in rules:
        if rule.priority == LAST_PRIORITY and rule.role != LOCK:
            yield Finding(priority_taken(rule))


@dataclass
class _PlannedListener:
    """The listener's rules, as they will be while the run works."""

    monolith_group: str
    lasting: list[Rule]
    temporary: deque[list[Rule]]
    """Preview and control rules of each service that is worked on at the same time."""

    def place(self, claim: Claim) -> bool:
        """
        Place a service's rules.

        Returns:
            Whether each of them found a priority.
        """
        own: list[Rule] = []
        self.temporary.append(own)
        for desired in claim.all_rules:
            rules = self._rules()
            if desired.chunk in own_rules(rules, claim.owner, desired.role):
                continue
            priority = choose_priority(rules, desired, self.monolith_group)
            if priority is None:
                return False
            made = self._planned(desired, priority)
            if desired.role == PATH:
                self.lasting.append(made)
            else:
                own.append(made)
        return True

    def _rules(self) -> list[Rule]:
        """All rules so far, with the run's lock."""
        temporary = chain.from_iterable(self.temporary)
        return [*self.lasting, *temporary, _LOCK_RULE]

    def _planned(self, desired: PathRule, priority: int) -> Rule:
        """The rule that the run will create."""
        return Rule(
            arn=f"planned/{desired.owner.service}/{desired.role}/{desired.chunk}",
            priority=priority,
            conditions=tuple(desired.conditions),
            actions=tuple(weighted_forward({self.monolith_group: 100})),
            tags=desired.tags,
        )


def _no_room(claim: Claim, rules: Sequence[Rule], monolith_group: str) -> Finding:
    """The finding for a service whose rules have no place."""
    needed = claim.all_rules
    after, before = place_rule(list(rules), needed[0], monolith_group)
    return Finding(
        f"{claim.where}.path_patterns: {claim.service.name} needs {len(needed)} free rule "
        f"priorities after {after} and before {before}, and other services need some there as "
        f"well, but too few are free; move rule {before} to a higher priority number with "
        "`aws elbv2 set-rule-priorities`"
    )
