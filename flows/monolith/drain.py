"""
Drains the monolith once it is proven idle, and brings it back when something is
wrong afterwards.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

import botocore.exceptions
from prefect import task

from config.errors import CheckFailed, DrainRefused, SplitterError, StepFailed
from config.monolith import KeepDefault
from config.split import SplitConfig
from flows.monolith.unowned_requests import stray_requests
from flows.plan.drain import DrainDecision, decide_drain
from flows.record.events import emit
from flows.runtime.approval import Question, ask_person
from tasks.aws.call import call
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests
from tasks.discovery import Discovered, read_monolith
from tasks.ecs.scaling import Suspension, read_suspension, write_suspension
from tasks.ecs.size_record import SizeRecord, forget_size, record_size, scale_monolith
from tasks.ecs.wait import wait_until_healthy, wait_until_stopped
from tasks.elbv2.default_action import (
    desired_default,
    give_back,
    monolith_rules,
    read_receivers,
    read_taken_over,
    take_over,
)
from tasks.elbv2.placeholder_rule import attach_target_group, detach_target_group
from tasks.elbv2.rule import read_rules
from tasks.elbv2.target_group import read_target_health
from tasks.http.checks import run_checks
from tasks.http.client import Route

__all__ = [
    "drain_monolith",
    "emit_kept",
    "restore_monolith",
    "verify_drained",
    "verify_public_paths",
]

_POLL: Final = 1.0
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
    Hand over what no service takes, prove the monolith idle, scale it to 0, and verify.

    Args:
        config: The split; every service of it has settled.
        discovered: The monolith and its listener.
        target_groups: ARN by service name.
        evidence: Markdown for the person who is asked.
        yes: Whether the person has agreed beforehand.

    Raises:
        DrainRefused: It is not idle, or a person refused; it serves on.
        StepFailed: Something failed after it was drained; it is back.
    """
    question = Question(
        "drain", f"Drain {config.monolith.service}?", config.monolith.approval_timeout
    )
    if config.monolith.drain == "approve" and not await ask_person(question, evidence, yes=yes):
        raise DrainRefused(f"nobody agreed to drain {config.monolith.service}; it serves on")
    await _check_owners(config, target_groups)
    try:
        await _hand_over(config, discovered, target_groups)
        await verify_public_paths(config, discovered)
        await _prove_idle(config, discovered)
        await _scale_to_zero(config, discovered)
        await _check_owners(config, target_groups)
        await verify_public_paths(config, discovered)
    except BaseException as error:
        # Whatever went wrong, also what nobody thought of: a monolith that is half drained is worse
        # than one that runs.
        await asyncio.shield(_bring_back(config, discovered, error))
        raise
    emit(
        "drain",
        None,
        f"{config.monolith.service} is drained: 0 tasks, every check holds without it",
    )


async def verify_drained(config: SplitConfig, discovered: Discovered) -> None:
    """
    See that a monolith of desired count 0 has no task left and that nobody misses it; the run that
    drained it may have been killed before it could.

    Raises:
        StepFailed: A task still runs, or a check does not hold. The monolith is left as it is: it
            may have been drained long ago.
    """
    name = config.monolith.service
    await wait_until_stopped(config.aws, discovered.cluster_arn, name, _STOP_PATIENCE)
    try:
        await verify_public_paths(config, discovered)
    except CheckFailed as error:
        raise CheckFailed(
            f"{error}\n{name} is drained; `python -m flows.rollback` brings it back"
        ) from None
    emit("drain", None, f"{name} is drained: 0 tasks, every check holds without it")


async def emit_kept(config: SplitConfig, discovered: Discovered, decision: DrainDecision) -> None:
    """
    Say why the monolith serves on; and for which requests, where nothing but those stands against
    its drain.
    """
    monolith = config.monolith
    strays = ""
    if (
        monolith.drain != "never"
        and isinstance(monolith.default_action, KeepDefault)
        and not decision.already_drained
    ):
        strays = await stray_requests(config, discovered.monolith, monolith.quiet_period)
    emit("drain", None, f"{monolith.service} is not drained: {'; '.join(decision.reasons)}{strays}")


async def _bring_back(config: SplitConfig, discovered: Discovered, error: BaseException) -> None:
    """
    Undo a drain that failed.

    Raises:
        StepFailed: That failed as well; tells both errors.
    """
    cancelled = (
        "the run was cancelled"
        if isinstance(error, asyncio.CancelledError)
        else type(error).__name__
    )
    why = str(error).partition("\n")[0].rstrip(":") or cancelled
    try:
        await restore_monolith(config, discovered, why)
    except (
        SplitterError,
        botocore.exceptions.ClientError,
        botocore.exceptions.BotoCoreError,
    ) as failure:
        raise StepFailed(
            f"{why}; and {config.monolith.service} did not come back ({failure}): the services "
            "serve on. "
            "Mend that, and run `python -m flows.rollback`, or the same command again"
        ) from error


async def _check_owners(config: SplitConfig, target_groups: Mapping[str, str]) -> None:
    """
    See that every service can answer for its paths, also one that settled in an earlier run and has
    no checks.

    Raises:
        DrainRefused: One has no healthy target.
    """
    for name, group in target_groups.items():
        health = await call(read_target_health, config.aws, group)
        if health.healthy == 0:
            raise DrainRefused(
                f"{config.monolith.service} is not drained: {name} owns paths and has no healthy "
                f"target ({health})"
            )


async def _hand_over(
    config: SplitConfig, discovered: Discovered, target_groups: Mapping[str, str]
) -> None:
    """Whatever still names the monolith gets the configured default action."""
    monolith = discovered.monolith.target_group_arn
    actions = desired_default(config.monolith.default_action, target_groups)
    rules = await call(read_rules, config.aws, discovered.listener_arn)
    decision = decide_drain(config, discovered, rules, complete=True, allowed=True)
    if not decision.will_drain:
        raise DrainRefused(
            f"{config.monolith.service} is not drained: {'; '.join(decision.reasons)}"
        )
    # Without actions the monolith would keep its rules; then it has none, or the decision would
    # have been another.
    for rule in monolith_rules(rules, monolith):
        await take_over(
            config.aws, discovered.listener_arn, rule, actions or [], monolith, config.name
        )
        emit("drain", None, f"{rule.label} no longer goes to {config.monolith.service}")
    left = await call(read_receivers, config.aws, monolith)
    if left:
        raise DrainRefused(
            f"{config.monolith.service} is not drained: {', '.join(left)} still sends requests "
            "to it"
        )


@task(
    name="prove monolith idle",
    task_run_name="prove {config.monolith.service} idle",
    persist_result=False,
)
async def _prove_idle(config: SplitConfig, discovered: Discovered) -> None:
    """
    Wait until no request has reached the monolith for the quiet period.

    Raises:
        DrainRefused: Requests still reach it, or a rule sends them again; names the rules and its
            last log lines.
    """
    gates, quiet = config.traffic.gates, config.monolith.quiet_period
    group = TargetGroupRef.of(discovered.load_balancer_arn, discovered.monolith.target_group_arn)
    began = time.time()
    patience = began + gates.metrics_lag + 3 * quiet + 2 * gates.metrics_period
    emit(
        "drain", None, f"waiting until {config.monolith.service} has had no request for {quiet:g} s"
    )
    while True:
        await asyncio.sleep(min(_POLL, quiet))
        until = time.time() - gates.metrics_lag
        start = until - quiet - gates.metrics_period
        if start < began:
            continue
        count = await call(count_requests, config.aws, group, start, until, gates.metrics_period)
        if count == 0:
            break
        if time.time() > patience:
            left = await call(read_receivers, config.aws, discovered.monolith.target_group_arn)
            who = f"{', '.join(left)} sends requests to it" if left else "no rule sends it any more"
            strays = await stray_requests(config, discovered.monolith, quiet)
            raise DrainRefused(
                f"{config.monolith.service} is not idle: {count} requests in the last {quiet:g} "
                f"s, and {who}; "
                f"give their paths to a service, or end whoever makes them{strays}"
            )
    left = await call(read_receivers, config.aws, discovered.monolith.target_group_arn)
    if left:
        raise DrainRefused(
            f"{config.monolith.service} is not drained: {', '.join(left)} sends requests to it "
            "again"
        )


async def _scale_to_zero(config: SplitConfig, discovered: Discovered) -> None:
    """The record of its size first: it is what a later run, or a rollback, restores."""
    aws = config.aws
    monolith, _, _ = await call(read_monolith, aws, config.cluster, config.monolith.service)
    suspension = await call(read_suspension, aws, discovered.cluster_arn, monolith.service)
    # Autoscaling takes tasks away while requests go elsewhere; one that comes back has to bear all
    # of them again.
    size = max(monolith.desired_count, discovered.monolith.desired_count)
    record = SizeRecord.from_tags(monolith.tags) or SizeRecord(size, suspension)
    await record_size(aws, monolith.service_arn, config.name, record)
    if suspension:
        await write_suspension(aws, discovered.cluster_arn, monolith.service, Suspension.all())
    await scale_monolith(aws, discovered.cluster_arn, monolith.service, 0)
    emit("drain", None, f"{monolith.service}: desired count {record.desired_count} -> 0")
    await wait_until_stopped(aws, discovered.cluster_arn, monolith.service, _STOP_PATIENCE)


async def restore_monolith(config: SplitConfig, discovered: Discovered, why: str) -> None:
    """
    Bring the monolith back to its recorded size and scaling, healthy, and then its rules.

    Safe to repeat, and to call when it was never drained.
    """
    aws = config.aws
    monolith, _, _ = await call(read_monolith, aws, config.cluster, config.monolith.service)
    record = SizeRecord.from_tags(monolith.tags)
    if record:
        emit("drain", None, f"{monolith.service} comes back to {record.desired_count} tasks: {why}")
        await attach_target_group(
            aws, discovered.listener_arn, monolith.target_group_arn, config.name
        )
        await scale_monolith(aws, discovered.cluster_arn, monolith.service, record.desired_count)
        await wait_until_healthy(
            aws,
            discovered.cluster_arn,
            monolith.service,
            monolith.task_definition,
            monolith.target_group_arn,
            config.stable_timeout,
        )
    for rule in await call(read_taken_over, aws, discovered.listener_arn, config.name):
        await give_back(aws, discovered.listener_arn, rule, monolith.target_group_arn)
        emit("drain", None, f"{rule.label} goes to {monolith.service} again: {why}")
    await detach_target_group(
        aws, await call(read_rules, aws, discovered.listener_arn), config.name
    )
    if record:
        if record.suspension:
            await write_suspension(aws, discovered.cluster_arn, monolith.service, record.suspension)
        await forget_size(aws, monolith.service_arn)
        health = await call(read_target_health, aws, monolith.target_group_arn)
        emit("drain", None, f"{monolith.service} is back: {health}")


async def verify_public_paths(
    config: SplitConfig, discovered: Discovered, services: Sequence[str] | None = None
) -> None:
    """
    Run every check as a user would.

    Args:
        config: The split.
        discovered: Where the listener answers.
        services: Names to check; all when None, and then what no service takes as well.

    Raises:
        CheckFailed: With every finding of every service.
    """
    route = Route(discovered.alb_url)
    wanted = [
        (service.name, service.checks)
        for service in config.services
        if services is None or service.name in services
    ]
    if services is None:
        wanted.append((config.monolith.service, config.monolith.checks))
    runs = (
        run_checks(name, "on its public path", route, checks) for name, checks in wanted if checks
    )
    results = await asyncio.gather(*runs, return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    for error in failed:
        if not isinstance(error, CheckFailed):
            raise error
    if failed:
        raise CheckFailed("\n".join(str(error) for error in failed))
