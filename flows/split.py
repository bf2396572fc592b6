"""
Splits a monolith: preflight, plan, one subflow per service, drain, report.

    python -m flows.split [CONFIG] [--plan] [--only NAME]... [--no-drain] [--yes] [--adopt NAME]...
    [--json]
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence

from prefect import flow
from prefect.runtime import flow_run

from config.errors import PreflightFailed, StepFailed
from config.split import SplitConfig
from flows.cli.split import run_split_command
from flows.fan_out.first_step import settle_approved
from flows.fan_out.services import Results, error_words
from flows.fan_out.work_pool import check_work_pool
from flows.monolith.drain import drain_monolith, emit_kept, verify_drained
from flows.plan.options import ALL_OF_IT, SplitOptions
from flows.plan.preflight import preflight, survey
from flows.plan.split import Plan, ServicePlan, observe, plan_split
from flows.record.events import emit, record_outcome, start_record
from flows.record.outcome import MonolithOutcome, Outcome, ServiceOutcome, Status
from flows.report.artifacts import evidence_markdown, publish_outcome, publish_plan
from flows.runtime.config_source import ConfigSource, read_source
from tasks.aws.call import call
from tasks.aws.credentials import refusals_explained
from tasks.discovery import Discovered, read_monolith
from tasks.ecr.engine import engine_name
from tasks.elbv2.lock import hold_listener, is_abandoned

__all__ = ["main", "split"]


@flow(name="split", flow_run_name="split {config.name}", retries=0, persist_result=False)
async def split(config: ConfigSource, options: SplitOptions = ALL_OF_IT) -> Outcome:
    """
    Move every service in `config` out of the monolith, then drain it.

    Args:
        config: What to split, and how: a split.yaml that the worker can read, or its content.
        options: What of it this run is about.

    Raises:
        BadInput: Nothing was changed.
        StepFailed: At least one service failed, or the monolith came back; the monolith serves what
            was not moved.
    """
    start_record()
    config = await read_source(config)
    discovered = await survey(config, options)
    with refusals_explained():
        plan = await _plan(config, discovered, options)
    await publish_plan(config, plan)
    await preflight(config, discovered, plan, options)
    if options.plan_only or (plan.is_empty and not _was_interrupted(plan)):
        status: Status = "unchanged" if plan.is_empty else "planned"
        if plan.is_empty and not plan.drain.already_drained:
            await emit_kept(config, discovered, plan.drain)
        return record_outcome(await _outcome(config, discovered, plan, {}, status=status))
    await check_work_pool(config)
    async with hold_listener(config.aws, discovered.listener_arn, f"{flow_run.name} {flow_run.id}"):
        # Another run may have finished between the plan and the lock.
        plan = await _plan(config, discovered, options)
        unsettled = [item.service for item in plan.services if not item.settled]
        results = await settle_approved(config, discovered, unsettled, options)
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


def _was_interrupted(plan: Plan) -> bool:
    """
    Whether a killed run has left its lock: its last steps may be missing, although no resource
    differs.
    """
    return is_abandoned(plan.services[0].state.rules)


async def _plan(config: SplitConfig, discovered: Discovered, options: SplitOptions) -> Plan:
    chosen = [
        service for service in config.services if not options.only or service.name in options.only
    ]
    observed = await observe(config, discovered, chosen)
    return plan_split(config, discovered, observed, adopt=options.adopt, drain=options.drain)


async def _finish(
    config: SplitConfig, discovered: Discovered, plan: Plan, results: Results, options: SplitOptions
) -> str | None:
    """
    Drain, where everything has settled and the config allows it.

    Returns:
        Why the run failed; None when it did not.
    """
    failed = {
        name: error_words(result)
        for name, result in results.items()
        if isinstance(result, BaseException)
    }
    if failed:
        emit("drain", None, f"{config.monolith.service} is not drained: {', '.join(failed)} failed")
        details = "\n".join(failed.values())
        serving = f"{config.monolith.service} serves what was not moved"
        return (
            f"{len(failed)} of {len(plan.services)} services failed ({', '.join(failed)}); "
            f"{serving}\n{details}"
        )
    try:
        if plan.drain.will_drain:
            observed = await observe(config, discovered, config.services)
            groups = {name: str(state.target_group_arn) for name, (_, state) in observed.items()}
            await drain_monolith(
                config, discovered, groups, evidence_markdown(config), yes=options.yes
            )
        elif plan.drain.already_drained:
            await verify_drained(config, discovered)
        else:
            await emit_kept(config, discovered, plan.drain)
    except StepFailed as error:
        return str(error)
    return None


async def _outcome(
    config: SplitConfig,
    discovered: Discovered,
    plan: Plan,
    results: Results,
    *,
    status: Status,
    error: str | None = None,
) -> Outcome:
    """What AWS holds at the end."""
    monolith, _, _ = await call(read_monolith, config.aws, config.cluster, config.monolith.service)
    observed = await observe(
        config, discovered, [config.service(item.service) for item in plan.services]
    )
    fresh = plan_split(config, discovered, observed)
    services = {
        item.service: _service_outcome(item, results.get(item.service)) for item in fresh.services
    }
    return Outcome(
        status=status,
        engine=await _engine(config),
        services=services,
        monolith=MonolithOutcome(
            service=monolith.service,
            desired_count=monolith.desired_count,
            drained=monolith.desired_count == 0,
        ),
        alb_url=discovered.alb_url,
        error=error,
    )


async def _engine(config: SplitConfig) -> str | None:
    """Name of the engine; a run that has nothing to build does not need one to be there."""
    if not any(service.build for service in config.services):
        return None
    try:
        return await asyncio.to_thread(engine_name, config.docker_host)
    except PreflightFailed:
        return None


def _service_outcome(
    plan: ServicePlan, result: ServiceOutcome | BaseException | None
) -> ServiceOutcome:
    state = plan.state
    definition = state.task_definition or {}
    containers: Sequence[Mapping[str, str]] = definition.get("containerDefinitions", [])
    stage = (
        "settled" if plan.settled else "failed" if isinstance(result, BaseException) else "planned"
    )
    return ServiceOutcome(
        stage=stage,
        weight=plan.weight,
        healthy_targets=state.health.healthy if state.health else None,
        image=containers[0]["image"] if containers else None,
        task_definition=definition.get("taskDefinitionArn"),
    )


def main() -> int:
    """The command line."""
    return run_split_command(split)


if __name__ == "__main__":
    sys.exit(main())
