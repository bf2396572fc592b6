"""Drains the monolith: hands over its rules, waits until it is idle, and scales it to zero."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from config.errors import CheckFailed, DrainRefused
from config.monolith import KeepDefault
from config.split import SplitConfig
from flows.monolith.idle import wait_until_idle
from flows.monolith.restore import restore_after_failure
from flows.monolith.unowned_requests import describe_unowned_requests
from flows.monolith.verify import verify_public_routes, verify_services_healthy
from flows.plan.split import DrainDecision, decide_drain
from flows.record.events import emit
from flows.runtime.approval import Question, ask_person
from tasks.aws.call import call
from tasks.discovery import Discovered, read_monolith
from tasks.ecs.scaling import Suspension, read_suspension, write_suspension
from tasks.ecs.size_record import SizeRecord, record_size, scale_monolith
from tasks.ecs.wait import wait_until_stopped
from tasks.elbv2.default_action import desired_default, monolith_rules, read_receivers, take_over
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import Rule

__all__ = ["drain_monolith", "explain_not_drained", "verify_drained"]

_STOP_PATIENCE: Final = 600.0


async def drain_monolith(
    config: SplitConfig,
    discovered: Discovered,
    target_groups: Mapping[str, str],
    evidence: str,
    *,
    yes: bool,
) -> None:
    """
    Hand over what no service takes, wait until the monolith is idle, scale it to zero, and verify.

    Args:
        config: The split; all its services have settled.
        discovered: The monolith and its listener.
        target_groups: ARN by service name.
        evidence: Markdown for the person who approves.
        yes: Whether confirmation is skipped.

    Raises:
        DrainRefused: It is not idle, or approval was declined; it still serves.
        StepFailed: Something failed after it was drained; it is restored.
    """
    await _ask_for_approval(config, evidence, yes=yes)
    await verify_services_healthy(config, target_groups)
    try:
        await _hand_over(config, discovered, target_groups)
        await verify_public_routes(config, discovered)
        await wait_until_idle(config, discovered)
        await _scale_to_zero(config, discovered)
        await verify_services_healthy(config, target_groups)
        checks = await verify_public_routes(config, discovered)
    except BaseException as error:
        # Whatever went wrong: a monolith that is half drained is worse than one that runs.
        await asyncio.shield(restore_after_failure(config, discovered, error))
        raise
    _emit_drained(config, checks)


async def verify_drained(config: SplitConfig, discovered: Discovered) -> None:
    """
    Verify that a monolith with desired count 0 has no task left and that all checks pass without
    it; the run that drained it may have been killed before it could.

    Raises:
        StepFailed: A task still runs, or a check fails. The monolith is left as it is: it may have
            been drained long ago.
    """
    name = config.monolith.service
    await wait_until_stopped(config.aws, discovered.cluster_arn, name, _STOP_PATIENCE)
    try:
        checks = await verify_public_routes(config, discovered)
    except CheckFailed as error:
        text = f"{error}\n{name} is drained; restore it with `python -m flows.rollback`"
        raise CheckFailed(text, error.numbers) from None
    _emit_drained(config, checks)


async def explain_not_drained(
    config: SplitConfig, discovered: Discovered, decision: DrainDecision
) -> None:
    """
    Record why the monolith is not drained, with the requests that no service takes where only
    these prevent it.
    """
    monolith = config.monolith
    reasons = "; ".join(decision.reasons)
    unowned = ""
    if _is_kept_by_requests(config, decision):
        unowned = await describe_unowned_requests(
            config, discovered.monolith, monolith.quiet_period
        )
    emit("drain", None, f"{monolith.service} is not drained: {reasons}{unowned}")


def _is_kept_by_requests(config: SplitConfig, decision: DrainDecision) -> bool:
    monolith = config.monolith
    return (
        monolith.drain != "never"
        and isinstance(monolith.default_action, KeepDefault)
        and not decision.already_drained
    )


async def _ask_for_approval(config: SplitConfig, evidence: str, *, yes: bool) -> None:
    monolith = config.monolith
    if monolith.drain != "approve":
        return
    question = Question(
        key="drain",
        text=f"Drain {monolith.service}?",
        patience=monolith.approval_timeout,
    )
    if not await ask_person(question, evidence, yes=yes):
        raise _refused(config, "approval declined; it still serves")


async def _hand_over(
    config: SplitConfig, discovered: Discovered, target_groups: Mapping[str, str]
) -> None:
    """
    Give every rule that still forwards to the monolith the configured default action.

    Raises:
        DrainRefused: A rule cannot be handed over, or still forwards to it.
    """
    monolith = discovered.monolith.target_group_arn
    # Without actions the monolith keeps its rules; then it has none, or the decision would have
    # been another.
    actions = desired_default(config.monolith.default_action, target_groups) or []
    for rule in await _read_rules_to_hand_over(config, discovered):
        await _hand_over_rule(config, discovered, rule, actions)
    receivers = await call(read_receivers, config.aws, monolith)
    if receivers:
        raise _refused(config, f"{', '.join(receivers)} still forwards to it")


async def _read_rules_to_hand_over(config: SplitConfig, discovered: Discovered) -> list[Rule]:
    """
    The rules that forward to the monolith.

    Raises:
        DrainRefused: They have changed, and it may not be drained any more.
    """
    rules = await call(read_rules, config.aws, discovered.listener_arn)
    decision = decide_drain(config, discovered, rules, complete=True, allowed=True)
    if not decision.will_drain:
        raise _refused(config, "; ".join(decision.reasons))
    return monolith_rules(rules, discovered.monolith.target_group_arn)


async def _hand_over_rule(
    config: SplitConfig, discovered: Discovered, rule: Rule, actions: list[Any]
) -> None:
    await take_over(
        config.aws,
        discovered.listener_arn,
        rule,
        actions,
        discovered.monolith.target_group_arn,
        config.name,
    )
    text = f"{rule.label} no longer forwards to {config.monolith.service}"
    emit("drain", None, text, numbers={"rule": rule.label})


def _refused(config: SplitConfig, reason: str) -> DrainRefused:
    name = config.monolith.service
    return DrainRefused(f"{name} is not drained: {reason}")


async def _scale_to_zero(config: SplitConfig, discovered: Discovered) -> None:
    """Record the size first: a later run, or a rollback, restores it from there."""
    aws = config.aws
    name = config.monolith.service
    cluster = discovered.cluster_arn
    suspension = await call(read_suspension, aws, cluster, name)
    record = await _record_size(config, discovered, suspension)
    if suspension:
        await write_suspension(aws, cluster, name, Suspension.all())
    await scale_monolith(aws, cluster, name, 0)
    text = f"{name}: desired count {record.desired_count} -> 0"
    emit("drain", None, text, numbers={"before": record.desired_count, "desired_count": 0})
    await wait_until_stopped(aws, cluster, name, _STOP_PATIENCE)


async def _record_size(
    config: SplitConfig, discovered: Discovered, suspension: Suspension | None
) -> SizeRecord:
    """Record the size on the monolith; the record of an interrupted drain stays."""
    aws = config.aws
    monolith, _, _ = await call(read_monolith, aws, config.cluster, config.monolith.service)
    record = SizeRecord.from_tags(monolith.tags)
    if record is None:
        # Autoscaling takes tasks away while requests go elsewhere; a restored monolith has to serve
        # all of them again.
        size = max(monolith.desired_count, discovered.monolith.desired_count)
        record = SizeRecord(size, suspension)
    await record_size(aws, monolith.service_arn, config.name, record)
    return record


def _emit_drained(config: SplitConfig, checks: int) -> None:
    emit(
        "drain",
        None,
        f"{config.monolith.service} is drained: 0 tasks, all checks pass without it",
        numbers={"desired_count": 0, "checks": checks, "passed": checks},
    )
