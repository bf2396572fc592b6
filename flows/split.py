"""
Splits a monolith: preflight, plan, one subflow per service, drain, report.

    python -m flows.split [CONFIG] [--plan] [--only NAME]... [--no-drain] [--yes] [--adopt NAME]...
    [--json]
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow

from config.errors import StepFailed
from config.load import load_config
from config.split import SplitConfig
from flows.cli.rehearsal import rehearsing
from flows.cli.run import ReportFiles, Run, run_command
from flows.cli.split import split_options, split_parser
from flows.fan_out.bounded import Results, failure_text, failures
from flows.fan_out.services import settle_all
from flows.fan_out.work_pool import check_work_pool
from flows.monolith.drain import drain_monolith, explain_not_drained, verify_drained
from flows.monolith.hold import scale_in_held
from flows.plan.change import ServicePlan, verify_plan
from flows.plan.observe import Observation, observe
from flows.plan.options import SPLIT_DEFAULTS, SplitOptions, chosen_services
from flows.plan.preflight import check_command, preflight, survey
from flows.plan.split import Plan, plan_split
from flows.record.events import emit
from flows.record.outcome import Outcome, ServiceOutcome
from flows.report.artifacts import evidence_markdown
from flows.runtime.config_source import ConfigSource
from flows.runtime.result import read_engine, read_monolith_outcome, read_services
from flows.runtime.run import begin_run, locked_run, published_plan
from flows.service.proof.header import verify_header_arrives
from tasks.aws.credentials import refusals_explained
from tasks.discovery import Discovered
from tasks.elbv2.lock import is_abandoned

__all__ = ["main", "split"]


@flow(name="split", flow_run_name="split {config.name}", retries=0, persist_result=False)
async def split(
    config: ConfigSource,
    options: SplitOptions = SPLIT_DEFAULTS,
    account_id: str | None = None,
) -> Outcome:
    """
    Move every service in `config` out of the monolith, then drain it.

    Args:
        config: What to split, and how: a split.yaml that the worker can read, or its content.
        options: Which services this run moves, and what else it may do.
        account_id: Account of the credentials, where the command line has read it already.

    Raises:
        BadInput: Nothing was changed.
        RunFailed: At least one service failed, or the monolith was restored; the monolith serves
            what was not moved.
    """
    config = await begin_run(config)
    discovered = await survey(config, options, account_id)
    work = _Split(config, discovered, options)
    with refusals_explained():
        plan = await work.plan()
    async with published_plan(config, plan.rows()):
        await preflight(config, discovered, plan, options)
    if options.plan_only or (plan.is_empty and not _was_interrupted(plan)):
        return await work.planned(plan)

    await check_work_pool(config)
    async with locked_run(config, discovered) as run:
        plan = await work.verified(plan)
        unsettled = [item.service for item in plan.services if not item.settled]
        if discovered.monolith.desired_count:
            await verify_header_arrives(config, discovered, unsettled)
        async with scale_in_held(config, discovered, shifts=plan.shifts):
            results = await settle_all(config, discovered, unsettled, options, plan.images)
            error = await work.finish(plan, results)
        run.finish(await work.outcome(plan, results, error))
    return run.outcome


def _was_interrupted(plan: Plan) -> bool:
    """
    Whether a killed run has left its lock: its last steps may be missing, although no resource
    differs.
    """
    rules = plan.services[0].state.rules
    return is_abandoned(rules)


@dataclass(frozen=True)
class _Split:
    """The steps of one run."""

    config: SplitConfig
    discovered: Discovered
    options: SplitOptions

    async def plan(self, images: Mapping[str, str] | None = None) -> Plan:
        """
        What is to be done, by what AWS holds now.

        Args:
            images: Of an earlier plan.
        """
        chosen = chosen_services(self.config, self.options.only)
        observed = await observe(self.config, self.discovered, chosen, images=images)
        return plan_split(
            self.config,
            self.discovered,
            observed,
            adopt=self.options.adopt,
            drain=self.options.drain,
        )

    async def verified(self, plan: Plan) -> Plan:
        """
        The plan as of now, under the lock.

        Raises:
            StalePlan: It is no longer what was shown.
        """
        fresh = await self.plan(plan.images)
        verify_plan(plan.rows(full=True), fresh.rows(full=True))
        return fresh

    async def planned(self, plan: Plan) -> Outcome:
        """The outcome of a run that ends with its plan."""
        if plan.is_empty and not plan.drain.already_drained:
            await explain_not_drained(self.config, self.discovered, plan.drain)

        outcome = await self.outcome(plan, {}, None)
        return outcome.with_plan(
            plan.rows(),
            is_empty=plan.is_empty,
        )

    async def finish(self, plan: Plan, results: Results) -> str | None:
        """
        Drain, where everything has settled and the config allows it.

        Returns:
            Why the run failed; None when it did not.
        """
        failed = failures(results)
        if failed:
            monolith = self.config.monolith.service
            emit("drain", None, f"{monolith} is not drained: {', '.join(failed)} failed")
            text = failure_text(failed, len(plan.services), "failed")
            return f"{text}\n{monolith} serves what was not moved"
        try:
            await self._drain_if_allowed(plan)
        except StepFailed as error:
            return str(error)
        return None

    async def _drain_if_allowed(self, plan: Plan) -> None:
        if plan.drain.will_drain:
            await self._drain(plan)
        elif plan.drain.already_drained:
            await verify_drained(self.config, self.discovered)
        else:
            await explain_not_drained(self.config, self.discovered, plan.drain)

    async def _drain(self, plan: Plan) -> None:
        observed = await observe(
            self.config,
            self.discovered,
            self.config.services,
            images=plan.images,
        )
        await drain_monolith(
            self.config,
            self.discovered,
            _target_groups(observed),
            evidence_markdown(self.config),
            yes=self.options.yes,
        )

    async def outcome(self, plan: Plan, results: Results, error: str | None) -> Outcome:
        """What AWS holds at the end."""
        services = {}
        for item in await read_services(self.config, self.discovered, plan.images):
            services[item.service] = _service_outcome(item, results.get(item.service))
        return Outcome(
            status="failed" if error else "completed",
            engine=await read_engine(self.config) if _builds(self.config) else None,
            services=services,
            monolith=await read_monolith_outcome(self.config),
            alb_url=self.discovered.alb_url,
            error=error,
        )


def _target_groups(observed: Observation) -> dict[str, str]:
    """ARN by service."""
    return {
        name: str(service.state.target_group_arn) for name, service in observed.services.items()
    }


def _builds(config: SplitConfig) -> bool:
    """Whether it needs a container engine at all."""
    return any(service.build for service in config.services)


def _service_outcome(
    plan: ServicePlan, result: ServiceOutcome | BaseException | None
) -> ServiceOutcome:
    definition = plan.state.task_definition or {}
    return ServiceOutcome.of(
        _stage(plan, result),
        weight=plan.weight,
        health=plan.state.health,
        image=_image(definition),
        task_definition=definition.get("taskDefinitionArn"),
    )


def _image(definition: Mapping[str, Any]) -> str | None:
    containers = definition.get("containerDefinitions", [])
    return containers[0]["image"] if containers else None


def _stage(plan: ServicePlan, result: ServiceOutcome | BaseException | None) -> str:
    if plan.settled:
        return "settled"
    if isinstance(result, BaseException):
        return "failed"
    return "planned"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: on a config, or as a rehearsal when there is none."""
    arguments = split_parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="split-") as folder:
        files = ReportFiles(
            report=arguments.report,
            record=Path(folder) / "answers.jsonl",
            title="Split",
        )
        command = _Command(arguments, files.record)
        return run_command(arguments, command.work, files=files)


@dataclass(frozen=True)
class _Command:
    """The command line of one run."""

    arguments: argparse.Namespace
    record: Path
    """For the live client of a rehearsal."""

    async def work(self, run: Run) -> Outcome:
        """Load or rehearse, and run the flow."""
        if self.arguments.config is None:
            return await self._rehearse(run)

        config = load_config(self.arguments.config)
        title = f"{config.name}: split of {config.monolith.service} in {config.cluster}"
        return await self._watch(run, config, title)

    async def _rehearse(self, run: Run) -> Outcome:
        rehearsal = rehearsing(
            self.arguments.engine,
            rate=self.arguments.rate,
            record=self.record,
            keep=self.arguments.keep,
        )
        async with rehearsal as found:
            title = f"rehearsal of {found.config.name} on the {found.engine} engine"
            return await self._watch(run, found.config, title)

    async def _watch(self, run: Run, config: SplitConfig, title: str) -> Outcome:
        options = split_options(self.arguments)
        account_id = await check_command(config, options)
        return await run.watch(
            title,
            chosen_services(config, options.only),
            lambda: split(config, options, account_id),
        )


if __name__ == "__main__":
    sys.exit(main())
