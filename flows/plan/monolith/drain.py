"""Whether a run may drain the monolith, why or why not, and what the drain changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from config.monolith import KeepDefault, MonolithConfig
from config.split import SplitConfig
from flows.plan.change import PlannedChange, Row, make_row
from tasks.aws.change import Update
from tasks.discovery import Discovered, Monolith
from tasks.elbv2.default_action import monolith_rules, why_not_to_take_over
from tasks.elbv2.rule_matching import PATH, Rule
from tasks.elbv2.rules.edits import edit_text, edited
from tasks.elbv2.rules.precedence import overtaken

__all__ = ["DrainDecision", "cut_connections", "decide_drain", "plan_drain"]


@dataclass(frozen=True)
class DrainDecision:
    """Whether the monolith will be drained, and why or why not."""

    will_drain: bool
    reasons: tuple[str, ...]
    already_drained: bool = False

    def row(self, monolith: str) -> Row:
        """
        As a line of a plan.

        Args:
            monolith: ECS service name.
        """
        action = "drain" if self.will_drain else "keep"
        if self.already_drained:
            action = "no change"
        return make_row(monolith, "drain", monolith, action, "; ".join(self.reasons))


_ALREADY_DRAINED: Final = DrainDecision(
    will_drain=False, already_drained=True, reasons=("already drained",)
)


def decide_drain(
    config: SplitConfig,
    discovered: Discovered,
    rules: Sequence[Rule],
    *,
    complete: bool,
    allowed: bool,
) -> DrainDecision:
    """
    Decide whether the monolith may be drained once all services have settled.

    Args:
        config: The split.
        discovered: The monolith as it runs.
        rules: The listener's rules.
        complete: Whether the run works on all services of the config.
        allowed: Whether the run may drain.
    """
    if discovered.monolith.desired_count == 0:
        return _ALREADY_DRAINED
    reasons = [
        *_reasons_of_the_run(config, complete=complete, allowed=allowed),
        *_reasons_of_the_rules(config, discovered.monolith, rules),
        *_reasons_of_edits(config, discovered.monolith, rules),
        *_reasons_of_other_routes(discovered.monolith),
    ]
    if reasons:
        return DrainDecision(will_drain=False, reasons=tuple(reasons))
    return DrainDecision(will_drain=True, reasons=(_condition(config),))


def _reasons_of_the_run(config: SplitConfig, *, complete: bool, allowed: bool) -> list[str]:
    reasons = []
    if config.monolith.drain == "never":
        reasons.append("monolith.drain is never")
    if not allowed:
        reasons.append("--no-drain was given")
    if not complete:
        reasons.append("--only leaves services out")
    return reasons


def _reasons_of_the_rules(
    config: SplitConfig, monolith: Monolith, rules: Sequence[Rule]
) -> list[str]:
    """The rules that would still send requests to the monolith."""
    group = monolith.target_group_arn
    kept = monolith_rules(rules, group)
    if isinstance(config.monolith.default_action, KeepDefault):
        return [
            f"{rule.label} sends requests to it, and monolith.default_action is keep"
            for rule in kept
        ]
    reasons = [why_not_to_take_over(rule, group) for rule in kept]
    return [
        f"{reason}, so a rollback could not restore it exactly; change it by hand"
        for reason in reasons
        if reason
    ]


def _reasons_of_edits(
    config: SplitConfig, monolith: Monolith, rules: Sequence[Rule]
) -> Iterator[str]:
    """Path rules of the split that no longer send the services what they were made for."""
    for rule in rules:
        if rule.role != PATH or rule.split != config.name:
            continue
        change = edited(rule)
        if change:
            yield edit_text(rule, change)
        reason = overtaken(rule, rules, monolith.target_group_arn)
        if reason:
            yield reason


def _reasons_of_other_routes(monolith: Monolith) -> list[str]:
    return [
        f"{route} sends requests to it as well, and these cannot be counted"
        for route in monolith.other_ways
    ]


def _condition(config: SplitConfig) -> str:
    """What has to be true before it is drained."""
    monolith = config.monolith
    approval = "after approval, " if monolith.drain == "approve" else ""
    text = (
        f"drained {approval}when every service has settled, no rule sends requests to it, "
        f"and it has had no request for {monolith.quiet_seconds:g} s"
    )
    cut = cut_connections(monolith)
    return f"{text}; this {cut}" if cut else text


def cut_connections(monolith: MonolithConfig) -> str | None:
    """What the drain cuts, after `this` or `which`; None where the config has its length."""
    if monolith.longest_connection is not None:
        return None
    return (
        f"cuts connections that stay open for more than {monolith.quiet_seconds:g} s after their "
        "last request, as monolith.longest_connection is not given"
    )


def plan_drain(
    config: SplitConfig, discovered: Discovered, rules: Sequence[Rule], decision: DrainDecision
) -> tuple[PlannedChange, ...]:
    """
    What the drain changes: the rules that forward to the monolith, and its desired count.

    Args:
        config: The split.
        discovered: The monolith as it runs.
        rules: The listener's rules.
        decision: Of `decide_drain`.
    """
    if not decision.will_drain:
        return ()
    monolith = discovered.monolith
    kept = monolith_rules(rules, monolith.target_group_arn)
    desired_count = Update({"desiredCount": (monolith.desired_count, 0)})
    return (
        *(_plan_rule(config, rule) for rule in kept),
        PlannedChange("ECS service", monolith.service, desired_count),
    )


def _plan_rule(config: SplitConfig, rule: Rule) -> PlannedChange:
    monolith = config.monolith
    before = f"forward to {monolith.service}"
    after = monolith.default_action.model_dump(mode="json")
    field = "DefaultActions" if rule.is_default else "Actions"
    return PlannedChange(
        resource="listener" if rule.is_default else "listener rule",
        name=rule.label,
        change=Update({field: (before, after)}),
    )
