"""
Rolls out what has changed in services that are carved out already.

    python -m flows.redeploy [CONFIG] [--only NAME]... [--plan] [--json]

Only what changed is built. ECS stops an old task when a new one is healthy; when the new ones do
not become so, its circuit breaker goes back to the old revision, and this run fails.
"""

import asyncio
import sys

from prefect import flow, tags
from prefect.runtime import flow_run

from config.errors import PreflightFailed, ResourceConflict, StepFailed
from config.split import SplitConfig
from flows.cli.redeploy import run_redeploy_command
from flows.fan_out.bounded import Results, error_words, side_by_side
from flows.plan.options import EVERY_SERVICE, RedeployOptions, SplitOptions
from flows.plan.owner import TAG, owner_of
from flows.plan.preflight import survey
from flows.plan.redeploy import RedeployPlan, plan_redeploy
from flows.plan.split import observe, plan_split
from flows.plan.status import ServiceNow, read_service_now
from flows.record.events import emit, record_outcome, start_record
from flows.record.outcome import MonolithOutcome, Outcome, ServiceOutcome, Status
from flows.report.artifacts import publish_outcome, publish_rows, service_plan_rows
from flows.runtime.config_source import ConfigSource, read_source
from flows.service.prepare import prepare
from flows.service.prune import prune
from flows.service.rolling_update import roll_out
from tasks.aws.call import call
from tasks.aws.credentials import refusals_explained
from tasks.discovery import Discovered, read_monolith
from tasks.ecr.engine import engine_name
from tasks.elbv2.lock import hold_listener
from tasks.preflight.finding import errors, warnings
from tasks.preflight.images import check_engine

__all__ = ["main", "redeploy", "redeploy_service"]


@flow(name="redeploy", flow_run_name="redeploy {config.name}", retries=0, persist_result=False)
async def redeploy(config: ConfigSource, options: RedeployOptions = EVERY_SERVICE) -> Outcome:
    """
    Roll out what has changed in services that are carved out already; the others are left alone.

    Args:
        config: The split: a split.yaml that the worker can read, or its content.
        options: What of it this run is about.

    Raises:
        BadInput: Nothing was changed.
        StepFailed: At least one service failed; it runs what it ran before, unless the message says
            otherwise.
    """
    start_record()
    config = await read_source(config)
    discovered = await survey(config, SplitOptions(only=options.only))
    with refusals_explained():
        plan = await _plan(config, discovered, options)
    await publish_rows(config, service_plan_rows([*plan.changed, *plan.unchanged]))
    await _check(config, plan)
    _tell(plan)
    if options.plan_only or not plan.changed:
        status: Status = "planned" if plan.changed else "unchanged"
        return record_outcome(await _outcome(config, discovered, plan, {}, status=status))
    async with hold_listener(config.aws, discovered.listener_arn, f"{flow_run.name} {flow_run.id}"):
        # Another run may have finished between the plan and the lock.
        plan = await _plan(config, discovered, options)
        results = await _roll_out_all(config, discovered, plan)
        failure = await _finish(config, discovered, plan, results, options)
        outcome = await _outcome(
            config,
            discovered,
            plan,
            results,
            status="failed" if failure else "completed",
            error=failure,
        )
    await publish_outcome(config, record_outcome(outcome))
    if failure:
        raise StepFailed(failure)
    return outcome


@flow(name="redeploy service", flow_run_name="redeploy {name}", retries=0, persist_result=False)
async def redeploy_service(
    config: SplitConfig, name: str, discovered: Discovered
) -> ServiceOutcome:
    """
    Build what changed of one service, and roll it out.

    Args:
        config: The split.
        name: The service's name; it has all requests for its paths.
        discovered: What is only read.

    Raises:
        StepFailed: A step failed; the service runs what it ran before, unless the message says
            otherwise.
    """
    service = config.service(name)
    owner = owner_of(config, service)
    emit("stage", name, "preparing")
    prepared = await prepare(config, discovered, service, owner)
    return await roll_out(config, discovered, service, owner, prepared)


async def _plan(
    config: SplitConfig, discovered: Discovered, options: RedeployOptions
) -> RedeployPlan:
    chosen = [
        service for service in config.services if not options.only or service.name in options.only
    ]
    observed = await observe(config, discovered, chosen)
    split = await asyncio.to_thread(plan_split, config, discovered, observed)
    return plan_redeploy(split.services)


async def _check(config: SplitConfig, plan: RedeployPlan) -> None:
    """Names that others hold, and an engine where something has to be built."""
    if plan.conflicts:
        raise ResourceConflict("\n".join(plan.conflicts))
    building = {
        f"services[{index}]": service
        for index, service in enumerate(config.services)
        if service.name in plan.to_build()
    }
    if building:
        findings = await asyncio.to_thread(check_engine, config.docker_host, building)
        for text in warnings(findings):
            emit("note", None, text)
        if errors(findings):
            raise PreflightFailed("\n".join(errors(findings)))


def _tell(plan: RedeployPlan) -> None:
    for name, reason in plan.left_alone.items():
        emit("note", name, f"left alone: {reason}")
    for item in plan.unchanged:
        emit("note", item.service, "runs what the config asks for")
    for text in plan.notes:
        emit("note", None, text)


async def _roll_out_all(
    config: SplitConfig, discovered: Discovered, plan: RedeployPlan
) -> dict[str, ServiceOutcome | BaseException]:
    async def work(name: str) -> ServiceOutcome:
        with tags(TAG):
            return await redeploy_service(config, name, discovered)

    return await side_by_side([item.service for item in plan.changed], config.max_parallel, work)


async def _finish(
    config: SplitConfig,
    discovered: Discovered,
    plan: RedeployPlan,
    results: Results,
    options: RedeployOptions,
) -> str | None:
    """
    Prune what the new revisions have replaced.

    Returns:
        Why the run failed; None when it did not.
    """
    failed = {
        name: error_words(result)
        for name, result in results.items()
        if isinstance(result, BaseException)
    }
    fresh = await _plan(config, discovered, options)
    uris = {
        item.service: item.state.repository.uri for item in fresh.unchanged if item.state.repository
    }
    lines = list(failed.values())
    try:
        await prune(config, [item for item in plan.changed if item.service not in failed], uris)
    except StepFailed as error:
        lines.append(str(error))
    if failed:
        names = ", ".join(failed)
        lines.insert(
            0, f"{len(failed)} of {len(results)} services could not be redeployed ({names})"
        )
    return "\n".join(lines) or None


async def _outcome(
    config: SplitConfig,
    discovered: Discovered,
    plan: RedeployPlan,
    results: Results,
    *,
    status: Status,
    error: str | None = None,
) -> Outcome:
    """What AWS holds at the end."""
    monolith, _, _ = await call(read_monolith, config.aws, config.cluster, config.monolith.service)
    names = {*plan.left_alone, *(item.service for item in (*plan.changed, *plan.unchanged))}
    observed = await observe(
        config, discovered, [service for service in config.services if service.name in names]
    )
    split = await asyncio.to_thread(plan_split, config, discovered, observed)
    now = {item.service: await read_service_now(config, item) for item in split.services}
    return Outcome(
        status=status,
        engine=await _engine(config) if plan.to_build() else None,
        services={name: _service_outcome(item, results.get(name)) for name, item in now.items()},
        monolith=MonolithOutcome(
            service=monolith.service,
            desired_count=monolith.desired_count,
            drained=monolith.desired_count == 0,
        ),
        alb_url=discovered.alb_url,
        error=error,
    )


async def _engine(config: SplitConfig) -> str | None:
    """
    Name of the engine; one that has gone by the end of the run must not hide
    what the run came to.
    """
    try:
        return await asyncio.to_thread(engine_name, config.docker_host)
    except PreflightFailed:
        return None


def _service_outcome(
    now: ServiceNow, result: ServiceOutcome | BaseException | None
) -> ServiceOutcome:
    """What it runs: after a rollback that is not the newest revision."""
    held = {name: getattr(now, name) for name in ServiceOutcome.model_fields}
    return ServiceOutcome(
        **held | ({"stage": "failed"} if isinstance(result, BaseException) else {})
    )


def main() -> int:
    """The command line."""
    return run_redeploy_command(redeploy)


if __name__ == "__main__":
    sys.exit(main())
