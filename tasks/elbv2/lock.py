"""
One run at a time on a listener.

The lock is a listener rule with a fixed priority: ELBv2 gives a priority to one rule only, so
CreateRule is the atomic step, and it works between machines that share nothing but AWS. The rule's
path matches no real request. The run that holds the lock renews a time stamp in its tags; a lock
that is not renewed, or whose run was a process of this machine and is dead, is free for the next
run.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import botocore.exceptions

from config.aws import AwsConfig
from config.errors import LockLost, RunRefused
from tasks.aws.call import call, in_thread
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import MANAGED_BY, TOOL, tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.holder import STALE_AFTER, Holder
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import LAST_PRIORITY, LOCK, ROLE, Rule, path_condition

__all__ = [
    "Holder",
    "current_lock",
    "hold_listener",
    "is_abandoned",
    "is_taken_over",
    "priority_taken",
    "release_lock",
    "take_lock",
    "was_lost",
    "work_under",
]

_PATH: Final = "/.ecs-splitter/lock"
_NOT_FOUND: Final[Any] = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "404"},
}
_RENEW_EVERY: Final = 10.0
_LOST: Final[set[str]] = set()
_HELD: Final[dict[str, str]] = {}
"""The lock rule that this process holds, by listener."""
_PARENTS: Final[dict[str, str]] = {}
"""The lock rule of the run that this process is a part of, by listener."""


def was_lost(listener_arn: str) -> bool:
    """Whether another run took over this process's lock: the traffic is then that run's."""
    return listener_arn in _LOST


def current_lock(listener_arn: str) -> str | None:
    """ARN of the lock rule that this process holds; None without one."""
    return _HELD.get(listener_arn)


def work_under(listener_arn: str, rule_arn: str) -> None:
    """
    Work as a part of a run that another process has locked the listener for.

    Args:
        listener_arn: The listener.
        rule_arn: Its lock rule; the lock of another run is a rule with another ARN.
    """
    _PARENTS[listener_arn] = rule_arn


async def is_taken_over(aws: AwsConfig, listener_arn: str) -> bool:
    """
    Whether the lock of this process, or of the run that it is a part of, is no longer held: the
    traffic may be another run's.
    """
    if was_lost(listener_arn):
        return True
    parent = _PARENTS.get(listener_arn)
    if parent is None:
        return False
    rules = await call(read_rules, aws, listener_arn)
    return parent not in [rule.arn for rule in rules]


def is_abandoned(rules: Sequence[Rule]) -> bool:
    """Whether one of a listener's rules is a dead run's lock; it may have left more unfinished."""
    now = time.time()
    return any(holder.is_gone(now) for holder in _holders(rules))


def _holders(rules: Sequence[Rule]) -> list[Holder]:
    """The holders of the locks among a listener's rules."""
    locks = [rule for rule in rules if rule.role == LOCK]
    return [Holder.from_tags(rule.tags) for rule in locks]


def priority_taken(rule: Rule) -> str:
    """The refusal for a rule of others that has the lock's priority."""
    return (
        f"listener: priority {LAST_PRIORITY} is taken by {rule.label}, but a run locks the "
        "listener with a rule of that priority; give the other rule another one"
    )


@aws_task("take the listener for {run}")
def take_lock(aws: AwsConfig, listener_arn: str, run: str) -> str:
    """
    Take the listener, also where a dead run's lock is left.

    Args:
        aws: Where AWS is.
        listener_arn: The listener.
        run: Unique name of this run, for the message to a run that is refused.

    Returns:
        ARN of the lock rule.

    Raises:
        RunRefused: Another run holds it.

    Source: ELBv2 CreateRule, DescribeRules, DeleteRule.
    """
    own = Holder.this_process(run)
    elb = client(aws, "elbv2")
    while True:
        try:
            return _create_lock(aws, listener_arn, own)
        except elb.exceptions.PriorityInUseException:
            rule = _read_last_rule(aws, listener_arn)
        if rule is None:
            continue  # It was released in the meantime.
        holder = _holder_of(rule)
        if holder.is_same_run(own):
            return rule.arn  # The response to this run's own CreateRule was lost.
        _refuse_if_alive(holder, time.time())
        log().warning("taking over the lock of a dead run: %s", holder)
        with contextlib.suppress(elb.exceptions.RuleNotFoundException):
            elb.delete_rule(RuleArn=rule.arn)


def _create_lock(aws: AwsConfig, listener_arn: str, own: Holder) -> str:
    """Create the lock rule, and return its ARN."""
    made = client(aws, "elbv2").create_rule(
        ListenerArn=listener_arn,
        Priority=LAST_PRIORITY,
        Conditions=[path_condition(_PATH)],
        Actions=[_NOT_FOUND],
        Tags=tag_list({MANAGED_BY: TOOL, ROLE: LOCK, **own.tags}),
    )
    return made["Rules"][0]["RuleArn"]


def _read_last_rule(aws: AwsConfig, listener_arn: str) -> Rule | None:
    """The rule with the lock's priority; None when there is none."""
    for rule in read_rules(aws, listener_arn):
        if rule.priority == LAST_PRIORITY:
            return rule
    return None


def _holder_of(rule: Rule) -> Holder:
    """The holder of a lock."""
    if rule.role != LOCK:
        raise RunRefused(priority_taken(rule))
    return Holder.from_tags(rule.tags)


def _refuse_if_alive(holder: Holder, now: float) -> None:
    """Refuse this run while another one holds the listener."""
    if not holder.is_gone(now):
        raise RunRefused(
            f"another run holds the listener: {holder}; wait for it, or stop it. If it is dead, "
            f"its lock expires in {holder.expires_in(now):.0f} s"
        )


def release_lock(aws: AwsConfig, rule_arn: str) -> None:
    """
    Release the listener; a lock that does not exist any more was taken over.

    Source: ELBv2 DeleteRule.
    """
    elb = client(aws, "elbv2")
    try:
        elb.delete_rule(RuleArn=rule_arn)
    except elb.exceptions.RuleNotFoundException:
        log().warning("the lock was already deleted")


@asynccontextmanager
async def hold_listener(aws: AwsConfig, listener_arn: str, run: str) -> AsyncIterator[None]:
    """
    Hold the listener while the block runs.

    Raises:
        RunRefused: Another run holds it.
        LockLost: Another run took it over, because this one did not renew it for a minute.
    """
    rule_arn = await take_lock(aws, listener_arn, run)
    _LOST.discard(listener_arn)
    _HELD[listener_arn] = rule_arn
    current = asyncio.current_task()
    assert current is not None  # noqa: S101 - a coroutine always runs in a task
    renewing = asyncio.create_task(_keep_renewing(aws, listener_arn, rule_arn, current))
    try:
        yield
    except asyncio.CancelledError:
        if renewing.done() and not renewing.cancelled() and renewing.exception():
            raise renewing.exception() from None  # type: ignore[misc]
        raise
    finally:
        _HELD.pop(listener_arn, None)
        renewing.cancel()
        await asyncio.shield(asyncio.gather(renewing, return_exceptions=True))
        # Not as a Prefect task: none may start in a run that has been suspended.
        await call(release_lock, aws, rule_arn)


async def _keep_renewing(
    aws: AwsConfig, listener_arn: str, rule_arn: str, holder: "asyncio.Task[Any]"
) -> None:
    """Renew until cancelled; when the lock is lost, or is about to be, cancel the holder."""
    renewed = time.monotonic()
    while True:
        await asyncio.sleep(_RENEW_EVERY)
        try:
            await in_thread(_renew, aws, rule_arn)
            renewed = time.monotonic()
        except LockLost as error:
            _LOST.add(listener_arn)
            holder.cancel(str(error))
            raise
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            log().warning("the lock was not renewed this time: %s", error)
            age = time.monotonic() - renewed
            if age + 2 * _RENEW_EVERY > STALE_AFTER:
                holder.cancel()
                raise LockLost(
                    f"this run could not renew its lock for {age:.0f} s ({error}), so another run "
                    "may take over the listener; find out why AWS refuses AddTags, then run again"
                ) from error


def _renew(aws: AwsConfig, rule_arn: str) -> None:
    """
    Show that the run is alive.

    Source: ELBv2 AddTags.
    """
    elb = client(aws, "elbv2")
    tags = tag_list(Holder.renewal_at(time.time()))
    try:
        elb.add_tags(ResourceArns=[rule_arn], Tags=tags)
    except elb.exceptions.RuleNotFoundException:
        raise LockLost(
            "another run took over the listener, because this run had not renewed its lock for a "
            "minute; run again when it has ended"
        ) from None
