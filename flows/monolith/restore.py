"""Restores the monolith: its size, its health, and its rules."""

import asyncio

import botocore.exceptions

from config.errors import SplitterError, StepFailed
from config.split import SplitConfig
from flows.monolith.hold import hold_scale_in
from flows.monolith.site import Site
from tasks.aws.call import call
from tasks.discovery import Discovered, Monolith
from tasks.ecs.size_record import SizeRecord, scale_monolith
from tasks.ecs.wait import wait_until_healthy
from tasks.elbv2.default_action import give_back
from tasks.elbv2.placeholder_rule import attach_target_group, detach_target_group
from tasks.elbv2.rule import read_rules
from tasks.elbv2.target_group import read_target_health
from tasks.state.taken_over import read_taken_over

__all__ = ["restore_after_failure", "restore_monolith"]


async def restore_monolith(config: SplitConfig, discovered: Discovered, why: str) -> None:
    """
    Restore the monolith's recorded size, healthy first, and then its rules.

    Its scale-in stays suspended, so that it keeps this size until traffic has returned to it;
    `flows.monolith.hold.end_hold` restores its scaling.

    Safe to repeat, and to call when it was never drained.

    Args:
        config: The split.
        discovered: The monolith and its listener.
        why: The reason, for messages.

    Raises:
        ServiceUnhealthy: It does not become healthy in time.
    """
    site = Site(config, discovered)
    held = await hold_scale_in(site)
    if held.record:
        await _restore_size(site, held.monolith, held.record, why)
    await _restore_rules(site, why)
    rules = await call(read_rules, site.aws, site.listener_arn)
    await detach_target_group(site.aws, rules, config.name)
    health = await call(read_target_health, site.aws, site.group_arn)
    site.emit(f"{site.name} is restored: {health}", healthy_targets=health.healthy)


async def _restore_size(site: Site, monolith: Monolith, record: SizeRecord, why: str) -> None:
    count = record.desired_count
    if monolith.desired_count < count:
        site.emit(f"restoring {site.name} to {count} tasks: {why}", desired_count=count)
        await attach_target_group(site.aws, site.listener_arn, site.group_arn, site.config.name)
        await scale_monolith(site.aws, site.cluster_arn, site.name, count)
    elif await _has_healthy_targets(site, count):
        return
    await wait_until_healthy(
        site.aws,
        site.cluster_arn,
        site.name,
        monolith.task_definition,
        site.group_arn,
        site.config.stable_timeout,
    )


async def _has_healthy_targets(site: Site, count: int) -> bool:
    health = await call(read_target_health, site.aws, site.group_arn)
    return health.healthy >= count


async def _restore_rules(site: Site, why: str) -> None:
    taken_over = await call(read_taken_over, site.aws, site.listener_arn, site.config.name)
    for rule in taken_over:
        await give_back(site.aws, site.listener_arn, rule, site.group_arn)
        text = f"{rule.label} forwards to {site.name} again: {why}"
        site.emit(text, rule=rule.label)


async def restore_after_failure(
    config: SplitConfig, discovered: Discovered, error: BaseException
) -> None:
    """
    Undo a drain that failed.

    Raises:
        StepFailed: That failed as well; the message has both errors.
    """
    why = _reason(error)
    try:
        await restore_monolith(config, discovered, why)
    except (
        SplitterError,
        botocore.exceptions.ClientError,
        botocore.exceptions.BotoCoreError,
    ) as failure:
        raise StepFailed(
            f"{why}; and {config.monolith.service} could not be restored ({failure}): the services "
            "still serve. Fix the cause, then run `python -m flows.rollback` or the same command "
            "again"
        ) from error


def _reason(error: BaseException) -> str:
    """The first line of an error, or its kind where it has no text."""
    if isinstance(error, asyncio.CancelledError):
        return "run cancelled"
    first_line, _, _ = str(error).partition("\n")
    reason = first_line.rstrip(":")
    return reason or type(error).__name__
