"""
Removes exactly what a split has made.

    python -m flows.teardown CONFIG [--yes] [--plan] [--json]

It goes by the tags: a resource of the same name that the split did not make stays, as does what it
adopted, and a service that the config has no more is found. It refuses while anything of the split
serves users: `python -m flows.rollback` comes first.
"""

import sys
from dataclasses import dataclass

from prefect import flow
from prefect.runtime import flow_run

from config.errors import StepFailed
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.cli.rollback import run_teardown_command
from flows.fan_out.bounded import error_words, side_by_side
from flows.plan.options import TEARDOWN_DEFAULTS, TeardownOptions
from flows.plan.rollback import RollbackPlan, outcome_of, plan_rollback, verify_rollback
from flows.record.events import record_outcome, start_record
from flows.record.outcome import Outcome, ServiceOutcome, Status
from flows.report.artifacts import publish_outcome, publish_rows
from flows.report.tables import Row
from flows.runtime.agree import agree
from flows.runtime.config_source import ConfigSource, read_source
from flows.service.remove import remove_service
from tasks.aws.call import call
from tasks.aws.credentials import refusals_explained
from tasks.discovery import Discovered, discover
from tasks.elbv2.lock import hold_listener
from tasks.elbv2.rule import read_rules
from tasks.preflight.finding import refuse
from tasks.state.owned import former_service, read_former_services

__all__ = ["main", "teardown"]


@dataclass(frozen=True)
class _Found:
    """What there is to remove."""

    services: tuple[ServiceConfig, ...]
    """Those of the config, and former ones."""
    rollback_plan: RollbackPlan

    @property
    def is_empty(self) -> bool:
        return not (self.rollback_plan.removing or self.rollback_plan.abandoned)

    def rows(self) -> list[Row]:
        return [row for row in self.rollback_plan.rows() if row["action"] == "delete"]


@flow(name="teardown", flow_run_name="teardown {config.name}", retries=0, persist_result=False)
async def teardown(
    config: ConfigSource,
    options: TeardownOptions = TEARDOWN_DEFAULTS,
    account_id: str | None = None,
) -> Outcome:
    """
    Remove exactly what a split has made.

    Args:
        config: The split: a split.yaml that the worker can read, or its content.
        options: Whether it is agreed on, and whether it is only planned.
        account_id: Account of the credentials, where the command line has read it already.

    Raises:
        BadInput: Nothing was changed; among others because something of the split serves users.
        StepFailed: Something is left; run it again.
    """
    start_record()
    config = await read_source(config)
    discovered = await discover(config, account_id)
    found = await _look(config, discovered)
    await publish_rows(config, found.rows())
    if found.is_empty:
        return record_outcome(
            await outcome_of(config, discovered, found.rollback_plan, status="unchanged", stages={})
        )
    _refuse(config, found.rollback_plan)
    if options.plan_only:
        return record_outcome(
            await outcome_of(config, discovered, found.rollback_plan, status="planned", stages={})
        )
    await agree(_question(found), found.rows(), yes=options.yes, undoable=False)
    async with hold_listener(config.aws, discovered.listener_arn, f"{flow_run.name} {flow_run.id}"):
        fresh = await _look(config, discovered)
        verify_rollback(found.rollback_plan, fresh.rollback_plan)
        found = fresh
        _refuse(config, found.rollback_plan)
        failed = await _remove_all(config, discovered, found)
        left = await _look(config, discovered)
        stages = {
            item.service: "failed" if item.service in failed else "removed"
            for item in found.rollback_plan.removing
        }
        error = "\n".join(failed.values()) or None
        status: Status = "failed" if failed else "completed"
        outcome = await outcome_of(
            config, discovered, left.rollback_plan, status=status, stages=stages, error=error
        )
    await publish_outcome(config, record_outcome(outcome))
    if error:
        raise StepFailed(error)
    return outcome


async def _look(config: SplitConfig, discovered: Discovered) -> _Found:
    with refusals_explained():
        rules = await call(read_rules, config.aws, discovered.listener_arn)
        known = [service.name for service in config.services]
        former = await read_former_services(config.aws, config.name, rules, known)
        services = (*config.services, *(former_service(name) for name in former))
        rollback_plan = await plan_rollback(config, discovered, services, remove=True)
    return _Found(services, rollback_plan)


def _refuse(config: SplitConfig, found: RollbackPlan) -> None:
    """
    Nothing is removed that somebody may be using.

    Raises:
        PreflightFailed: With every reason.
    """
    lines = []
    name = config.monolith.service
    if found.record:
        lines.append(
            f"{name} is drained, and its size of {found.record.desired_count} tasks is only "
            "recorded on it"
        )
    lines += [
        f"{rule.label} was taken from {name}, and has not been given back"
        for rule in found.taken_over
    ]
    for item in found.removing:
        weight = found.weight(item)
        if weight is None:
            lines.append(f"{item.service}: somebody has changed where its rules forward to")
        elif weight:
            lines.append(f"{item.service}: gets {weight} % of the requests for its paths")
    if lines:
        lines.append("bring them back first: `python -m flows.rollback CONFIG`")
    lines += found.refusals
    refuse(lines)


def _question(found: _Found) -> str:
    names = (
        ", ".join(item.service for item in found.rollback_plan.removing)
        or "nothing but a dead run's lock"
    )
    return f"Remove what was made for {names}?"


async def _remove_all(config: SplitConfig, discovered: Discovered, found: _Found) -> dict[str, str]:
    """Remove service by service, side by side; returns what went wrong by name."""
    services = {service.name: service for service in found.services}
    adopted = {item.service: item.adopted for item in found.rollback_plan.removing}

    async def remove(name: str) -> ServiceOutcome:
        return await remove_service(config, discovered, services[name], adopted=adopted[name])

    results = await side_by_side(list(adopted), config.max_parallel, remove)
    return {
        name: error_words(result)
        for name, result in results.items()
        if isinstance(result, BaseException)
    }


def main() -> int:
    """The command line."""
    return run_teardown_command(teardown)


if __name__ == "__main__":
    sys.exit(main())
