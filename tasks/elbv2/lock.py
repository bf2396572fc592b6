"""
One run at a time on a listener.

The lock is a listener rule of a fixed priority: ELBv2 gives a priority to one rule only, so
CreateRule is the atomic step, and it holds between machines that share nothing but AWS. Its path
matches no request that anybody makes. The holder renews a time stamp in its tags; a lock that is
not renewed, or whose holder is a dead process of this machine, is free for the next run.
"""

import asyncio
import contextlib
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import botocore.exceptions

from config.aws import AwsConfig
from config.errors import LockLost, RunRefused
from tasks.aws.call import call
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import MANAGED_BY, TOOL, tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import LOCK, ROLE, Rule

__all__ = ["Holder", "hold_listener", "is_abandoned", "release_lock", "take_lock", "was_lost"]

_PRIORITY: Final = 50_000
_PATH: Final = "/.ecs-splitter/lock"
_RENEW_EVERY: Final = 10.0
_STALE_AFTER: Final = 60.0
_PREFIX: Final = "split:lock-"
_LOST: Final[set[str]] = set()


@dataclass(frozen=True)
class Holder:
    """Who holds a listener. Every value fits into a tag."""

    run: str
    """Name of the flow run."""
    host: str
    process: str
    """`pid@boot`: a process id means nothing after a restart of the machine."""
    started: float
    """Seconds since the epoch."""
    renewed: float

    @property
    def tags(self) -> dict[str, str]:
        """For the lock rule."""
        return {
            f"{_PREFIX}run": self.run,
            f"{_PREFIX}host": self.host,
            f"{_PREFIX}process": self.process,
            f"{_PREFIX}started": f"{self.started:.0f}",
            f"{_PREFIX}renewed": f"{self.renewed:.0f}",
        }

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> "Holder":
        """From a lock rule's tags; a rule without them is a lock that was never renewed."""
        return cls(
            run=tags.get(f"{_PREFIX}run", "unknown"),
            host=tags.get(f"{_PREFIX}host", "unknown"),
            process=tags.get(f"{_PREFIX}process", ""),
            started=float(tags.get(f"{_PREFIX}started", "0")),
            renewed=float(tags.get(f"{_PREFIX}renewed", "0")),
        )

    def is_gone(self, now: float) -> bool:
        """Whether the holder can no longer be at work."""
        if self.host == _tag_value(socket.gethostname()) and self.process:
            pid, _, boot = self.process.partition("@")
            if boot != _boot() or not _is_alive(int(pid)):
                return True
        return now - self.renewed > _STALE_AFTER

    def __str__(self) -> str:
        """For the message to whoever is refused."""
        began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.started))
        return (
            f"{self.run} on {self.host} (process {self.process.partition('@')[0]}), started {began}"
        )


def was_lost(listener_arn: str) -> bool:
    """
    Whether another run has taken the listener from this process, so that its
    traffic is that run's.
    """
    return listener_arn in _LOST


def _tag_value(text: str) -> str:
    """
    The text in the characters, and of the length, that AWS takes in a tag: a person may have
    renamed the run.
    """
    return re.sub(r"[^\w .:/=+\-@]", "-", text)[:256]


def _boot() -> str:
    """
    Names this start of the machine and the processes that see each other on it: a container has
    pids of its own.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return "unknown"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_abandoned(rules: Sequence[Rule]) -> bool:
    """
    Whether one of a listener's rules is the lock of a dead run, which may have left more
    unfinished.
    """
    locks = (rule for rule in rules if rule.tags.get(ROLE) == LOCK)
    return any(Holder.from_tags(rule.tags).is_gone(time.time()) for rule in locks)


@aws_task("take the listener for {run}")
def take_lock(aws: AwsConfig, listener_arn: str, run: str) -> str:
    """
    Take the listener, or a dead run's lock on it.

    Args:
        aws: Where AWS is.
        listener_arn: The listener.
        run: Unique name of this run, for whoever is refused.

    Returns:
        ARN of the lock rule.

    Raises:
        RunRefused: Another run holds it; names that run.

    Source: ELBv2 CreateRule, DescribeRules, DeleteRule.
    """
    elb = client(aws, "elbv2")
    now = time.time()
    host = _tag_value(socket.gethostname())
    mine = Holder(_tag_value(run), host, f"{os.getpid()}@{_boot()}", started=now, renewed=now)
    refusal: Any = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    while True:
        try:
            made = elb.create_rule(
                ListenerArn=listener_arn,
                Priority=_PRIORITY,
                Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [_PATH]}}],
                Actions=[refusal],
                Tags=tag_list({MANAGED_BY: TOOL, ROLE: LOCK, **mine.tags}),
            )
        except elb.exceptions.PriorityInUseException:
            taken = next(
                (rule for rule in read_rules(aws, listener_arn) if rule.priority == _PRIORITY), None
            )
            if taken is None:
                continue  # released in this moment
            if taken.tags.get(ROLE) != LOCK:
                raise RunRefused(
                    f"listener {listener_arn}: priority {_PRIORITY} is taken by {taken.label}; "
                    "this tool "
                    "locks the listener with a rule of that priority: give the other rule "
                    "another one"
                ) from None
            holder = Holder.from_tags(taken.tags)
            if (holder.run, holder.host, holder.process) == (mine.run, mine.host, mine.process):
                return taken.arn  # the answer to our own CreateRule was lost
            if not holder.is_gone(time.time()):
                left = _STALE_AFTER - (time.time() - holder.renewed)
                raise RunRefused(
                    f"another run holds the listener: {holder}; wait for it, or end it. "
                    f"The lock of a dead run ends by itself, in {max(left, 0):.0f} s without a "
                    "sign of life"
                ) from None
            log().warning("taking over the lock of a dead run: %s", holder)
            with contextlib.suppress(
                elb.exceptions.RuleNotFoundException
            ):  # a third run does the same
                elb.delete_rule(RuleArn=taken.arn)
            continue
        return made["Rules"][0]["RuleArn"]


def release_lock(aws: AwsConfig, rule_arn: str) -> None:
    """
    Release the listener; a lock that is gone already was taken over.

    Source: ELBv2 DeleteRule.
    """
    elb = client(aws, "elbv2")
    try:
        elb.delete_rule(RuleArn=rule_arn)
    except elb.exceptions.RuleNotFoundException:
        log().warning("the lock was gone already")


def _renew(aws: AwsConfig, rule_arn: str) -> None:
    """
    Show that the holder is alive.

    Source: ELBv2 AddTags.
    """
    elb = client(aws, "elbv2")
    try:
        elb.add_tags(
            ResourceArns=[rule_arn], Tags=tag_list({f"{_PREFIX}renewed": f"{time.time():.0f}"})
        )
    except elb.exceptions.RuleNotFoundException:
        raise LockLost(
            "another run took the listener over, because this one gave no sign of life for too "
            "long; "
            "run again when it has ended"
        ) from None


async def _keep_renewing(
    aws: AwsConfig, listener_arn: str, rule_arn: str, holder: "asyncio.Task[Any]"
) -> None:
    """
    Renew until cancelled; a lock that is lost, or will be before it can be renewed, cancels its
    holder.
    """
    renewed = time.monotonic()
    while True:
        await asyncio.sleep(_RENEW_EVERY)
        try:
            await asyncio.to_thread(_renew, aws, rule_arn)
            renewed = time.monotonic()
        except LockLost as error:
            _LOST.add(listener_arn)
            holder.cancel(str(error))
            raise
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            log().warning("the lock was not renewed this time: %s", error)
            age = time.monotonic() - renewed
            if age + 2 * _RENEW_EVERY > _STALE_AFTER:
                holder.cancel()
                raise LockLost(
                    f"this run could not renew its lock for {age:.0f} s ({error}), and another "
                    "run may take the "
                    "listener over; look why AWS refuses AddTags, then run again"
                ) from error


@asynccontextmanager
async def hold_listener(aws: AwsConfig, listener_arn: str, run: str) -> AsyncIterator[None]:
    """
    Hold the listener while the block runs.

    Raises:
        RunRefused: Another run holds it.
        LockLost: Another run took it over, because this one had no sign of life for a minute.
    """
    rule_arn = await take_lock(aws, listener_arn, run)
    _LOST.discard(listener_arn)
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
        renewing.cancel()
        await asyncio.shield(asyncio.gather(renewing, return_exceptions=True))
        # Not as a Prefect task: none may start in a run that has been suspended.
        await call(release_lock, aws, rule_arn)
