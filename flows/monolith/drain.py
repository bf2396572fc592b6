"""Drains the monolith: hands over its rules, waits until it is idle, and scales it to zero."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from config.errors import CheckFailed, DrainRefused
from config.monolith import KeepDefault, MonolithConfig
from config.split import SplitConfig
from flows.monolith.hold import read_held, record_monolith
from flows.monolith.idle import wait_until_idle
from flows.monolith.restore import restore_after_failure
from flows.monolith.site import Site
from flows.monolith.unowned_requests import describe_unowned_requests
from flows.monolith.verify import verify_public_routes, verify_services_healthy
from flows.plan.monolith.drain import DrainDecision, cut_connections, decide_drain
from flows.runtime.approval import Question, ask_person
from tasks.autoscaling.scaling import Suspension, write_suspension
from tasks.aws.call import call
from tasks.discovery import Discovered
from tasks.ecs.size_record import SizeRecord, scale_monolith, size_to_record
from tasks.ecs.wait import wait_until_stopped
from tasks.elbv2.default_action import desired_default, monolith_rules, take_over
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import Rule
from tasks.state.taken_over import read_taken_over, record_taken_over

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
    site = Site(config, discovered)
    await _ask_for_approval(site, evidence, yes=yes)
    await verify_services_healthy(config, target_groups)
    try:
        await _hand_over(site, target_groups)
        await verify_public_routes(config, discovered)
        await wait_until_idle(config, discovered)
        # Somebody may have edited a rule in the quiet period.
        await _read_rules_to_hand_over(site)
        await _scale_to_zero(site)
        await verify_services_healthy(config, target_groups)
        checks = await verify_public_routes(config, discovered)
    except BaseException as error:
        # After any error: a monolith that is half drained is worse than one that runs.
        await asyncio.shield(restore_after_failure(config, discovered, error))
        raise
    _emit_drained(site, checks)


async def verify_drained(config: SplitConfig, discovered: Discovered) -> None:
    """
    Verify that a monolith with desired count 0 has no task left and that all checks pass without
    it; the run that drained it may have been killed before it could.

    Raises:
        StepFailed: A task still runs, or a check fails. The monolith is left as it is: it may have
            been drained long ago.
    """
    site = Site(config, discovered)
    await _complete_record(site)
    await wait_until_stopped(site.aws, site.cluster_arn, site.name, _STOP_PATIENCE)
    try:
        checks = await verify_public_routes(config, discovered)
    except CheckFailed as error:
        remedy = f"{site.name} is drained; restore it with `python -m flows.rollback`"
        raise CheckFailed(f"{error}\n{remedy}", error.numbers) from None
    _emit_drained(site, checks)


async def explain_not_drained(
    config: SplitConfig, discovered: Discovered, decision: DrainDecision
) -> None:
    """
    Record why the monolith is not drained, with the requests that no service takes where only
    these prevent it.
    """
    site = Site(config, discovered)
    text = f"{site.name} is not drained: {'; '.join(decision.reasons)}"
    if _is_kept_by_requests(site, decision):
        text += await describe_unowned_requests(
            config, discovered.monolith, site.settings.quiet_seconds
        )
    site.emit(text)


def _is_kept_by_requests(site: Site, decision: DrainDecision) -> bool:
    if site.settings.drain == "never" or decision.already_drained:
        return False
    return isinstance(site.settings.default_action, KeepDefault)


async def _ask_for_approval(site: Site, evidence: str, *, yes: bool) -> None:
    if site.settings.drain != "approve":
        return
    question = Question(
        key="drain",
        text=_question(site.settings),
        patience=site.settings.approval_timeout,
    )
    if not await ask_person(question, evidence, yes=yes):
        raise _refused(site, "approval declined; it still serves")


def _question(monolith: MonolithConfig) -> str:
    cut = cut_connections(monolith)
    if cut is None:
        return f"Drain {monolith.service}?"
    return f"Drain {monolith.service}, which {cut}?"


def _refused(site: Site, reason: str) -> DrainRefused:
    return DrainRefused(f"{site.name} is not drained: {reason}")


async def _hand_over(site: Site, target_groups: Mapping[str, str]) -> None:
    """
    Give every rule that still forwards to the monolith the configured default action.

    Raises:
        DrainRefused: A rule cannot be handed over, or still forwards to it.
    """
    # Without actions the monolith keeps its rules; then it has none, or the decision would have
    # been another.
    actions = desired_default(site.settings.default_action, target_groups) or []
    rules = await _read_rules_to_hand_over(site)
    await _record_taken_over(site, rules)
    for rule in rules:
        await _hand_over_rule(site, rule, actions)
    receivers = await site.read_receivers()
    if receivers:
        raise _refused(site, f"{receivers} still forwards to it")


async def _record_taken_over(site: Site, rules: Sequence[Rule]) -> None:
    """A killed run may have taken some over already."""
    earlier = await call(read_taken_over, site.aws, site.listener_arn, site.config.name)
    by_arn = {rule.arn: rule for rule in [*earlier, *rules]}
    held = await read_held(site)
    await record_taken_over(site.aws, held.rules, list(by_arn.values()))


async def _read_rules_to_hand_over(site: Site) -> Sequence[Rule]:
    """
    The rules that forward to the monolith.

    Raises:
        DrainRefused: They have changed, and it may not be drained any more.
    """
    rules = await call(read_rules, site.aws, site.listener_arn)
    decision = decide_drain(site.config, site.discovered, rules, complete=True, allowed=True)
    if not decision.will_drain:
        raise _refused(site, "; ".join(decision.reasons))
    return monolith_rules(rules, site.group_arn)


async def _hand_over_rule(site: Site, rule: Rule, actions: list[Any]) -> None:
    await take_over(
        site.aws,
        site.listener_arn,
        rule,
        actions,
        site.group_arn,
        site.config.name,
    )
    site.emit(f"{rule.label} no longer forwards to {site.name}", rule=rule.label)


async def _scale_to_zero(site: Site) -> None:
    """Record the size first: a later run, or a rollback, restores it from there."""
    record, is_scaled = await _record_size(site)
    if is_scaled:
        await write_suspension(site.aws, site.cluster_arn, site.name, Suspension.all())
    await scale_monolith(site.aws, site.cluster_arn, site.name, 0)
    before = record.desired_count
    site.emit(f"{site.name}: desired count {before} -> 0", before=before, desired_count=0)
    await wait_until_stopped(site.aws, site.cluster_arn, site.name, _STOP_PATIENCE)


async def _record_size(site: Site) -> tuple[SizeRecord, bool]:
    """
    Record the size; the record of an interrupted drain stays.

    Returns:
        The record, and whether the monolith has autoscaling.
    """
    held = await read_held(site)
    monolith = held.monolith
    # Autoscaling takes tasks away while requests go elsewhere; a restored monolith has to serve all
    # of them again.
    at_first = site.discovered.monolith.desired_count
    size = max(monolith.desired_count, at_first)
    record = size_to_record(size, monolith.scaling, held.record, is_serving=held.is_serving)
    await record_monolith(site, held, record)
    return record, monolith.scaling is not None


async def _complete_record(site: Site) -> None:
    """An earlier release recorded the size on the monolith alone."""
    held = await read_held(site)
    if held.record:
        await record_monolith(site, held, held.record)
    await _record_taken_over(site, ())


def _emit_drained(site: Site, checks: int) -> None:
    site.emit(
        f"{site.name} is drained: 0 tasks, all checks pass without it",
        desired_count=0,
        checks=checks,
        passed=checks,
    )
