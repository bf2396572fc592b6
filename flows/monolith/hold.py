"""
Holds the monolith's size while traffic moves: as long as a gate may send its requests back, its
autoscaling must not take tasks away.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import botocore.exceptions
from prefect.exceptions import PrefectSignal

from config.errors import StepFailed
from config.split import SplitConfig
from flows.monolith.site import Site
from flows.record.events import emit
from tasks.autoscaling.scaling import read_shrinking_actions, write_suspension
from tasks.aws.call import call
from tasks.discovery import Discovered, Monolith
from tasks.ecs.size_record import (
    SizeRecord,
    forget_on_rules,
    forget_size,
    is_taggable,
    own_path_rules,
    record_on_rules,
    record_size,
    recorded_size,
    size_to_record,
)
from tasks.elbv2.lock import was_lost
from tasks.elbv2.path_rule import WEIGHTS
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import Rule, receives
from tasks.elbv2.weights import is_returned
from tasks.state.taken_over import forget_taken_over, read_taken_over

__all__ = ["Held", "end_hold", "hold_scale_in", "read_held", "record_monolith", "scale_in_held"]

_NEVER_SHIFTED = "0:0"


@dataclass(frozen=True)
class Held:
    """The monolith as it runs, and what is recorded of it."""

    monolith: Monolith
    rules: tuple[Rule, ...]
    """The split's path rules."""
    record: SizeRecord | None

    @property
    def is_serving(self) -> bool:
        """Whether a service gets requests."""
        group = self.monolith.target_group_arn
        return not all(is_returned(rule, group) for rule in self.rules)

    @property
    def shared(self) -> list[Rule]:
        """The rules that send a part of their requests to the monolith, and a part elsewhere."""
        group = self.monolith.target_group_arn
        received = [rule for rule in self.rules if receives(rule, group)]
        return [rule for rule in received if not is_returned(rule, group)]

    @property
    def returned(self) -> list[Rule]:
        """The rules that have sent requests to a service, and send all to the monolith now."""
        group = self.monolith.target_group_arn
        shifted = [rule for rule in self.rules if rule.tags.get(WEIGHTS) != _NEVER_SHIFTED]
        return [rule for rule in shifted if is_returned(rule, group)]


async def read_held(site: Site) -> Held:
    """Read the monolith, and what is recorded of it."""
    monolith = await site.read()
    rules = await call(read_rules, site.aws, site.listener_arn)
    return Held(
        monolith=monolith,
        rules=tuple(own_path_rules(rules, site.config.name)),
        record=recorded_size(monolith.tags, rules, site.config.name),
    )


@asynccontextmanager
async def scale_in_held(
    config: SplitConfig, discovered: Discovered, *, shifts: bool
) -> AsyncIterator[None]:
    """
    Hold the monolith's size while the block shifts traffic.

    At the end its scaling is as before, unless the monolith is drained, a rule that was taken over
    from it is not restored, or a rule still shares its requests. After a cancelled run it stays
    suspended as well: requests have just returned to the monolith, and for minutes its alarms
    would still show the low load that it had without them.

    Args:
        config: The split.
        discovered: The monolith and its listener.
        shifts: Whether the block shifts traffic; a hold of a killed run is ended in any case.
    """
    site = Site(config, discovered)
    if shifts:
        await hold_scale_in(site)
    try:
        yield
    except PrefectSignal:
        raise  # suspended for an approval: the run goes on later
    except BaseException as error:
        cancelled = isinstance(error, asyncio.CancelledError)
        await asyncio.shield(end_hold(site, cancelled=cancelled))
        raise
    await end_hold(site)


async def hold_scale_in(site: Site) -> Held:
    """
    Record the monolith's size and scaling, then suspend what could take tasks away from it.

    Safe to repeat; the record of an earlier run stays. A monolith that was scaled to 0 without a
    record is left alone.
    """
    held = await read_held(site)
    monolith = held.monolith
    if monolith.desired_count == 0 and held.record is None:
        return held
    if not (held.rules or is_taggable(monolith.service_arn)):
        _note(
            f"scale-in of {site.name} is not suspended: ECS allows no tags on a service with an "
            "ARN of the old format, so its size cannot be recorded yet"
        )
        return held
    record = size_to_record(
        monolith.desired_count, monolith.scaling, held.record, is_serving=held.is_serving
    )
    in_this_run = replace(record, desired_count=_size_in_this_run(monolith))
    await record_monolith(site, held, record, in_this_run)
    if monolith.scaling and record.suspension:
        await _suspend_scale_in(site, monolith, in_this_run)
    return Held(monolith, held.rules, record)


def _size_in_this_run(monolith: Monolith) -> int:
    """
    The tasks that a failed gate needs: those that the monolith has now, or had when a killed run
    began. A rollback of services that settled earlier may need more.
    """
    left = SizeRecord.from_tags(monolith.tags)
    if left is None:
        return monolith.desired_count
    return max(monolith.desired_count, left.desired_count)


async def record_monolith(
    site: Site, held: Held, record: SizeRecord, in_this_run: SizeRecord | None = None
) -> None:
    """
    Record the size on the monolith and on the split's path rules, where they do not have it.

    Args:
        site: The monolith.
        held: As it was read.
        record: Its size, for a rollback.
        in_this_run: Its size as the run found it, where that is another.
    """
    wanted = in_this_run or record
    service_arn = held.monolith.service_arn
    if is_taggable(service_arn) and SizeRecord.from_tags(held.monolith.tags) != wanted:
        await record_size(site.aws, service_arn, site.config.name, wanted)
    lacking = [rule.arn for rule in held.rules if SizeRecord.from_rule(rule.tags) != record]
    if lacking:
        await record_on_rules(site.aws, lacking, record)


async def _suspend_scale_in(site: Site, monolith: Monolith, record: SizeRecord) -> None:
    """Scale-out stays on: the monolith may need more tasks meanwhile."""
    assert record.suspension  # noqa: S101 - the caller has checked it
    count = record.desired_count
    actions = await call(read_shrinking_actions, site.aws, site.cluster_arn, site.name, count)
    wanted = record.suspension.without_scale_in(scheduled=bool(actions))
    if monolith.scaling == wanted:
        return
    await write_suspension(site.aws, site.cluster_arn, site.name, wanted)
    text = f"{site.name} keeps its {count} tasks while traffic may return: scale-in is suspended"
    if actions:
        names = ", ".join(actions)
        text += f", and scheduled scaling, as {names} would leave it fewer than {count}"
    _note(text, desired_count=count, suspended=str(wanted))


async def end_hold(site: Site, *, cancelled: bool = False, unrestored: bool = False) -> str | None:
    """
    Restore the monolith's scaling, and forget the record; the size stays recorded on the path
    rules of a split whose services get requests.

    Args:
        site: The monolith.
        cancelled: Whether the run was cancelled.
        unrestored: Whether a rollback could not restore the monolith, and has to run again.

    Returns:
        What people are to know where scale-in stays suspended; None where it does not.

    Raises:
        StepFailed: The scaling could not be restored; a later run does it.
    """
    if was_lost(site.listener_arn):
        return None  # the hold is another run's
    held = await read_held(site)
    record = held.record
    if record is None or not record.is_held or held.monolith.desired_count == 0:
        return None
    reason = _why_kept(held, cancelled=cancelled) or await _why_not_restored(site, held)
    if unrestored:
        reason = reason or "it could not be restored"
    if reason:
        return _note_kept(site, record, reason)
    try:
        await _release(site, held, record)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise StepFailed(
            f"scaling of {site.name} is still suspended and could not be restored to "
            f"{record.suspension} ({error}); run again"
        ) from error
    return None


def _note_kept(site: Site, record: SizeRecord, reason: str) -> str | None:
    if record.suspension is None:
        return None  # it has no autoscaling
    text = (
        f"scale-in of {site.name} stays suspended: {reason}; the next flows.split, "
        "flows.rollback or flows.teardown resumes it"
    )
    _note(text)
    return text


def _why_kept(held: Held, *, cancelled: bool) -> str | None:
    """Why the hold must not end yet; None when it may."""
    if held.shared:
        return f"{_labels(held.shared)} still shares its requests with it"
    if cancelled and held.returned:
        return f"the requests of {_labels(held.returned)} have just returned to it"
    return None


async def _why_not_restored(site: Site, held: Held) -> str | None:
    """After a drain that could not be undone, its record is what restores the monolith."""
    taken_over = await call(read_taken_over, site.aws, site.listener_arn, site.config.name)
    group = held.monolith.target_group_arn
    missing = [rule for rule in taken_over if not receives(rule, group)]
    return f"{_labels(missing)} does not forward to it again yet" if missing else None


def _labels(rules: Sequence[Rule]) -> str:
    return ", ".join(rule.label for rule in rules)


async def _release(site: Site, held: Held, record: SizeRecord) -> None:
    """The record last: what a killed run has left of it makes the next run repeat this."""
    if record.suspension and held.monolith.scaling != record.suspension:
        await write_suspension(site.aws, site.cluster_arn, site.name, record.suspension)
        _note(f"scaling of {site.name} is as before", suspended=str(record.suspension))
    if SizeRecord.from_tags(held.monolith.tags):
        await forget_size(site.aws, held.monolith.service_arn)
    if held.is_serving:
        await _record_largest_size(site, held, record)
    await forget_on_rules(site.aws, held.rules, keep_size=held.is_serving)
    await forget_taken_over(site.aws, held.rules)


async def _record_largest_size(site: Site, held: Held, record: SizeRecord) -> None:
    """For a later rollback; the monolith may have grown since the record was made."""
    count = max(record.desired_count, held.monolith.desired_count)
    known = [SizeRecord.from_rule(rule.tags) for rule in held.rules]
    if any(item is None or item.desired_count != count for item in known):
        arns = [rule.arn for rule in held.rules]
        size = SizeRecord(count, None, is_held=False)
        await record_on_rules(site.aws, arns, size)


def _note(text: str, **numbers: object) -> None:
    emit("note", None, text, numbers=numbers)
