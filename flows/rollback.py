"""
Sends paths back to the monolith, at any time after a split, also a partial or a killed one.

    python -m flows.rollback CONFIG [--only NAME]... [--remove] [--yes] [--plan] [--json]

The monolith comes first: its recorded size, its health, its scaling, its rules; then the weights,
and with `--remove` the services. On a terminal it asks before it begins. Elsewhere it begins at
once, as nothing is lost that a split would not bring again; but with `--remove`, which deletes, it
wants `--yes`.
"""

import asyncio
import sys
from collections.abc import Mapping

from prefect import flow
from prefect.runtime import flow_run

from config.errors import StepFailed, TrafficConflict
from config.split import SplitConfig
from flows.cli.rollback import check_names, run_rollback_command
from flows.fan_out.bounded import Results, error_words, side_by_side
from flows.monolith.restore import restore_monolith
from flows.plan.options import ROLLBACK_DEFAULTS, RollbackOptions
from flows.plan.rollback import RollbackPlan, outcome_of, plan_rollback, verify_rollback
from flows.record.events import emit, record_outcome, start_record
from flows.record.outcome import Outcome, ServiceOutcome, Status
from flows.report.artifacts import publish_outcome, publish_rows
from flows.runtime.agree import agree
from flows.runtime.config_source import ConfigSource, read_source
from flows.service.remove import remove_service
from flows.service.request_rate import wait_until_idle
from tasks.aws.credentials import refusals_explained
from tasks.discovery import Discovered, discover
from tasks.elbv2.lock import hold_listener
from tasks.elbv2.rule import delete_rule
from tasks.elbv2.weights import is_returned, return_rule
from tasks.http.checks import run_checks
from tasks.http.client import Route
from tasks.preflight.finding import refuse
from tasks.state.owned import OwnedResources

__all__ = ["main", "rollback"]


@flow(name="rollback", flow_run_name="rollback {config.name}", retries=0, persist_result=False)
async def rollback(
    config: ConfigSource,
    options: RollbackOptions = ROLLBACK_DEFAULTS,
    account_id: str | None = None,
) -> Outcome:
    """
    Send paths back to the monolith.

    Args:
        config: The split: a split.yaml that the worker can read, or its content.
        options: Which paths, and whether the services are removed as well.
        account_id: Account of the credentials, where the command line has read it already.

    Raises:
        BadInput: Nothing was changed.
        StepFailed: The monolith did not come back, and the services serve on; or a service kept its
            paths.
    """
    start_record()
    config = await read_source(config)
    check_names(config, options.only)
    discovered = await discover(config, account_id)
    found = await _plan(config, discovered, options)
    await publish_rows(config, found.rows())
    refuse(found.refusals)
    if options.plan_only or found.is_empty:
        status: Status = "unchanged" if found.is_empty else "planned"
        return record_outcome(await outcome_of(config, discovered, found, status=status, stages={}))
    await agree(
        _question(config, found), found.rows(), yes=options.yes, undoable=not options.remove
    )
    async with hold_listener(config.aws, discovered.listener_arn, f"{flow_run.name} {flow_run.id}"):
        fresh = await _plan(config, discovered, options)
        verify_rollback(found, fresh)
        found = fresh
        failure, stages = await _go_back(config, discovered, found)
        left = await _plan(config, discovered, options)
        status = "failed" if failure else "completed"
        outcome = await outcome_of(
            config, discovered, left, status=status, stages=stages, error=failure
        )
    await publish_outcome(config, record_outcome(outcome))
    if failure:
        raise StepFailed(failure)
    return outcome


async def _plan(
    config: SplitConfig, discovered: Discovered, options: RollbackOptions
) -> RollbackPlan:
    chosen = [
        service for service in config.services if not options.only or service.name in options.only
    ]
    with refusals_explained():
        return await plan_rollback(config, discovered, chosen, remove=options.remove)


def _question(config: SplitConfig, found: RollbackPlan) -> str:
    names = ", ".join(item.service for item in found.owned)
    removed = " and remove what was made for them" if found.remove else ""
    return f"Send the paths of {names} back to {config.monolith.service}{removed}?"


async def _go_back(
    config: SplitConfig, discovered: Discovered, found: RollbackPlan
) -> tuple[str | None, dict[str, str]]:
    """
    The monolith, then the weights, then the removal.

    Returns:
        Why the run failed, None when it did not; and the stage of each service that it touched.
    """
    if found.restores:
        try:
            await restore_monolith(config, discovered, "rolled back")
            await run_checks(
                config.monolith.service,
                "on the public route",
                Route(discovered.alb_url),
                config.monolith.checks,
            )
        except StepFailed as error:
            return (
                f"{config.monolith.service} did not come back, so the services serve on\n{error}",
                {},
            )
    owned = {item.service: item for item in found.returning}

    async def give_back(name: str) -> ServiceOutcome:
        return await _return_paths(config, discovered, owned[name])

    # All weights at once: whoever calls for the way back does not want to wait for the metrics in
    # between.
    results = await side_by_side(list(owned), max(len(owned), 1), give_back)
    failed = _failed(results)
    await asyncio.gather(
        *(
            _see_it_returned(config, discovered, item)
            for name, item in owned.items()
            if name not in failed
        )
    )
    stages = {name: "failed" if name in failed else "returned" for name in owned}
    to_remove = {item.service: item for item in found.removing if item.service not in failed}
    if to_remove:
        failed |= _failed(await _remove(config, discovered, to_remove))
        stages |= {name: "failed" if name in failed else "removed" for name in to_remove}
    if not failed:
        return None, stages
    details = "\n".join(failed.values())
    return (
        (
            f"{len(failed)} of {len(stages)} services could not be rolled back "
            f"({', '.join(failed)})\n{details}"
        ),
        stages,
    )


def _failed(results: Results) -> dict[str, str]:
    return {
        name: error_words(result)
        for name, result in results.items()
        if isinstance(result, BaseException)
    }


async def _return_paths(
    config: SplitConfig, discovered: Discovered, owned: OwnedResources
) -> ServiceOutcome:
    """Every request of its paths to the monolith; what a killed run has left goes as well."""
    name, monolith = owned.service, discovered.monolith.target_group_arn
    emit("stage", name, "returning")
    for rule in owned.path_rules:
        if is_returned(rule, monolith):
            continue
        if owned.target_group_arn is None:
            raise TrafficConflict(
                f"{rule.label} forwards to a target group that is not {name}'s; put it back by hand"
            )
        await return_rule(config.aws, rule.arn, monolith, owned.target_group_arn)
    emit("weight", name, "weight 0 %: rolled back", weight=0)
    for rule in owned.private_rules:
        await delete_rule(config.aws, rule.arn)
    return ServiceOutcome(stage="returned", weight=0)


async def _see_it_returned(
    config: SplitConfig, discovered: Discovered, owned: OwnedResources
) -> None:
    if owned.target_group_arn:
        service = config.service(owned.service)
        await wait_until_idle(config, discovered.load_balancer_arn, service, owned.target_group_arn)
    emit("stage", owned.service, "returned")


async def _remove(
    config: SplitConfig, discovered: Discovered, owned: Mapping[str, OwnedResources]
) -> Results:
    async def remove(name: str) -> ServiceOutcome:
        return await remove_service(
            config, discovered, config.service(name), adopted=owned[name].adopted
        )

    return await side_by_side(list(owned), config.max_parallel, remove)


def main() -> int:
    """The command line."""
    return run_rollback_command(rollback)


if __name__ == "__main__":
    sys.exit(main())
