"""What a run changes about the monolith's scaling, and about the record of its size."""

from collections.abc import Sequence

from config.split import SplitConfig
from flows.plan.change import PlannedChange
from flows.plan.monolith.record import why_not_restorable
from tasks.aws.change import Conflict, Update
from tasks.discovery import Discovered
from tasks.ecs.size_record import SizeRecord, own_path_rules, recorded_size
from tasks.elbv2.rule_matching import Rule

__all__ = ["plan_hold"]


def plan_hold(
    config: SplitConfig,
    discovered: Discovered,
    rules: Sequence[Rule],
    *,
    shifts: bool,
    drains: bool,
) -> tuple[PlannedChange, ...]:
    """
    What happens to the monolith's scaling and to the record of its size.

    Args:
        config: The split.
        discovered: The monolith as it runs.
        rules: The listener's rules.
        shifts: Whether the run shifts traffic.
        drains: Whether the run drains the monolith.
    """
    monolith = discovered.monolith
    record = recorded_size(monolith.tags, rules, config.name)
    lacking = why_not_restorable(config, monolith, discovered.listener_arn, rules)
    if lacking:
        return (PlannedChange("ECS service", monolith.service, Conflict(lacking)),)
    if monolith.desired_count == 0:
        return _plan_record(own_path_rules(rules, config.name), record)
    if shifts and monolith.scaling and not monolith.scaling.scale_in:
        held = Update({"scale-in": ("on", "suspended while traffic may return")})
        return (PlannedChange("scalable target", monolith.service, held, temporary=True),)
    if record and record.is_held and not (shifts or drains):
        return _plan_release(discovered, record)
    return ()


def _plan_record(own: Sequence[Rule], record: SizeRecord | None) -> tuple[PlannedChange, ...]:
    """An earlier release recorded the size on the monolith alone."""
    if record is None:
        return ()
    lacking = [rule for rule in own if SizeRecord.from_rule(rule.tags) != record]
    change = Update({"record of the monolith": ("none", f"{record.desired_count} tasks")})
    return tuple(PlannedChange("listener rule", rule.label, change) for rule in lacking)


def _plan_release(discovered: Discovered, record: SizeRecord) -> tuple[PlannedChange, ...]:
    """A killed run has left the scaling suspended."""
    monolith = discovered.monolith
    if record.suspension is None or monolith.scaling is None:
        change = Update({"tags": ("recorded size, left by a killed run", "none")})
        return (PlannedChange("ECS service", monolith.service, change),)
    before = str(monolith.scaling)
    change = Update({"suspended, by a killed run": (before, str(record.suspension))})
    return (PlannedChange("scalable target", monolith.service, change),)
