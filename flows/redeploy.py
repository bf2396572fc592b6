"""
Rolls out what has changed in services that have been split off already.

    python -m flows.redeploy [CONFIG] [--only NAME]... [--plan] [--json]

Only what changed is built. ECS stops an old task when a new one is healthy; when the new tasks do
not become healthy, its circuit breaker restores the old revision, and this run fails.
"""

import asyncio
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prefect import flow, tags

from config.errors import PreflightFailed, ResourceConflict, StepFailed
from config.load import load_config
from config.split import SplitConfig
from flows.cli.redeploy import change_source, own_copy, redeploy_options, redeploy_parser
from flows.cli.rehearsal import rehearsing
from flows.cli.run import ReportFiles, Run, run_command
from flows.fan_out.bounded import Results, failure_text, failures, side_by_side
from flows.plan.change import ServicePlan, verify_plan
from flows.plan.observe import by_place, observe
from flows.plan.options import REDEPLOY_DEFAULTS, RedeployOptions, SplitOptions, chosen_services
from flows.plan.owner import TAG, owner_of
from flows.plan.preflight import check_command, survey
from flows.plan.redeploy import RedeployPlan, plan_redeploy
from flows.plan.split import plan_split
from flows.plan.status import ServiceNow, read_service_now
from flows.record.events import emit
from flows.record.outcome import Outcome, ServiceOutcome
from flows.runtime.config_source import ConfigSource
from flows.runtime.result import read_engine, read_monolith_outcome, read_services
from flows.runtime.run import begin_run, locked_run, published_plan
from flows.service.prepare import prepare
from flows.service.prune import prune
from flows.service.rolling_update import roll_out
from flows.split import split
from tasks.aws.call import call
from tasks.aws.credentials import refusals_explained
from tasks.discovery import Discovered
from tasks.preflight.finding import errors, refuse, warnings
from tasks.preflight.images import check_engine
from tasks.preflight.requests import check_own_requests

__all__ = ["main", "redeploy", "redeploy_service"]

_RATE: Final = 100.0
_REPORT: Final = Path("redeploy-report.html")


@flow(name="redeploy", flow_run_name="redeploy {config.name}", retries=0, persist_result=False)
async def redeploy(
    config: ConfigSource,
    options: RedeployOptions = REDEPLOY_DEFAULTS,
    account_id: str | None = None,
) -> Outcome:
    """
    Roll out what has changed in services that have been split off already; the others are skipped.

    Args:
        config: The split: a split.yaml that the worker can read, or its content.
        options: Which services.
        account_id: Account of the credentials, where the command line has read it already.

    Raises:
        BadInput: Nothing was changed.
        RunFailed: At least one service failed; it runs what it ran before, unless the message
            states otherwise.
    """
    config = await begin_run(config)
    discovered = await survey(config, SplitOptions(only=options.only), account_id)
    work = _Redeploy(config, discovered, options)
    with refusals_explained():
        plan = await work.plan()
    async with published_plan(config, plan.rows()):
        await work.check(plan)
    _emit_notes(plan)
    if options.plan_only or not plan.changed:
        outcome = await work.outcome(plan, {}, None)
        return outcome.with_plan(plan.rows(), is_empty=not plan.changed)

    async with locked_run(config, discovered) as run:
        plan = await work.verified(plan)
        results = await work.roll_out_all(plan)
        error = await work.finish(plan, results)
        run.finish(await work.outcome(plan, results, error))
    return run.outcome


@flow(name="redeploy service", flow_run_name="redeploy {name}", retries=0, persist_result=False)
async def redeploy_service(
    config: SplitConfig, name: str, discovered: Discovered, image: str
) -> ServiceOutcome:
    """
    Build what changed of one service, and roll it out.

    Args:
        config: The split.
        name: The service's name; it has all requests for its paths.
        discovered: What is only read.
        image: As planned: content tag of the image to build, or reference of a ready one.

    Raises:
        StepFailed: A step failed; the service runs what it ran before, unless the message states
            otherwise.
    """
    service = config.service(name)
    owner = owner_of(config, service)
    emit("stage", name, "preparing")
    prepared = await prepare(config, discovered, service, owner, image)
    return await roll_out(config, discovered, service, owner, prepared)


def _emit_notes(plan: RedeployPlan) -> None:
    for name, reason in plan.left_alone.items():
        emit("note", name, f"skipped: {reason}")
    for item in plan.unchanged:
        emit("note", item.service, "no changes: it runs what the config asks for")
    for text in plan.notes:
        emit("note", None, text)


@dataclass(frozen=True)
class _Redeploy:
    """The steps of one run."""

    config: SplitConfig
    discovered: Discovered
    options: RedeployOptions

    async def plan(self, images: Mapping[str, str] | None = None) -> RedeployPlan:
        """
        What is to be done, by what AWS holds now.

        Args:
            images: Of an earlier plan.
        """
        chosen = chosen_services(self.config, self.options.only)
        observed = await observe(self.config, self.discovered, chosen, images=images)
        split = plan_split(self.config, self.discovered, observed)
        return plan_redeploy(split.services)

    async def verified(self, plan: RedeployPlan) -> RedeployPlan:
        """
        The plan as of now, under the lock.

        Raises:
            StalePlan: It is no longer what was shown.
        """
        fresh = await self.plan(plan.images)
        verify_plan(plan.rows(full=True), fresh.rows(full=True))
        return fresh

    async def check(self, plan: RedeployPlan) -> None:
        """
        Check for names that are taken, for checks that cannot be sent, and for an engine where
        something has to be built.

        Raises:
            ResourceConflict: A name is taken.
            PreflightFailed: A request header cannot be read, or the engine does not answer.
        """
        if plan.conflicts:
            raise ResourceConflict("\n".join(plan.conflicts))
        await self._check_requests([item.service for item in plan.changed])
        if plan.to_build():
            await self._check_engine(plan.to_build())

    async def _check_requests(self, names: Sequence[str]) -> None:
        """Else a rollout that works would be undone for a check that nobody could send."""
        services = by_place(self.config, names)
        refuse(errors(await call(check_own_requests, self.config.aws, services, ())))

    async def _check_engine(self, names: Sequence[str]) -> None:
        services = by_place(self.config, names)
        findings = await asyncio.to_thread(check_engine, self.config.docker_host, services)
        for text in warnings(findings):
            emit("note", None, text)
        if errors(findings):
            raise PreflightFailed("\n".join(errors(findings)))

    async def roll_out_all(self, plan: RedeployPlan) -> Results:
        """Every service that has changed, side by side."""

        async def work(name: str) -> ServiceOutcome:
            with tags(TAG):
                return await redeploy_service(self.config, name, self.discovered, plan.images[name])

        names = [item.service for item in plan.changed]
        return await side_by_side(names, self.config.max_parallel, work)

    async def finish(self, plan: RedeployPlan, results: Results) -> str | None:
        """
        Delete old images and revisions of the services that were rolled out.

        Returns:
            Why the run failed; None when it did not.
        """
        failed = failures(results)
        lines = []
        if failed:
            lines.append(failure_text(failed, len(results), "could not be redeployed"))
        try:
            await self._prune(plan, failed)
        except StepFailed as error:
            lines.append(str(error))
        return "\n".join(lines) or None

    async def _prune(self, plan: RedeployPlan, failed: Collection[str]) -> None:
        rolled_out = [item for item in plan.changed if item.service not in failed]
        fresh = await self.plan(plan.images)
        await prune(self.config, rolled_out, _repository_uris(fresh.unchanged))

    async def outcome(self, plan: RedeployPlan, results: Results, error: str | None) -> Outcome:
        """What AWS holds at the end."""
        services = {}
        for item in await read_services(self.config, self.discovered, plan.images):
            now = await read_service_now(self.config, item)
            services[item.service] = _service_outcome(now, results.get(item.service))
        return Outcome(
            status="failed" if error else "completed",
            engine=await read_engine(self.config) if plan.to_build() else None,
            services=services,
            monolith=await read_monolith_outcome(self.config),
            alb_url=self.discovered.alb_url,
            error=error,
        )


def _repository_uris(plans: Iterable[ServicePlan]) -> dict[str, str]:
    """By service."""
    uris = {}
    for plan in plans:
        if plan.state.repository:
            uris[plan.service] = plan.state.repository.uri
    return uris


def _service_outcome(
    now: ServiceNow, result: ServiceOutcome | BaseException | None
) -> ServiceOutcome:
    """What it runs: after a rollback that is not the newest revision."""
    fields = {name: getattr(now, name) for name in ServiceOutcome.model_fields}
    outcome = ServiceOutcome(**fields)
    if isinstance(result, BaseException):
        return outcome.at("failed")
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: on a config, or as a rehearsal when there is none."""
    arguments = redeploy_parser().parse_args(argv)
    options = redeploy_options(arguments)
    if arguments.config:
        return run_command(arguments, lambda run: _on_config(run, arguments.config, options))

    with tempfile.TemporaryDirectory(prefix="redeploy-") as folder:
        files = ReportFiles(_REPORT, Path(folder) / "answers.jsonl", "Redeploy")
        command = _Rehearsal(arguments.engine, options, files.record)
        return run_command(arguments, command.work, files=files)


async def _on_config(run: Run, path: Path, options: RedeployOptions) -> Outcome:
    config = load_config(path)
    account_id = await check_command(config, SplitOptions(only=options.only))
    return await run.watch(
        f"{config.name}: redeploy in {config.cluster}",
        chosen_services(config, options.only),
        lambda: redeploy(config, options, account_id),
    )


@dataclass(frozen=True)
class _Rehearsal:
    """A redeploy of the sample, which is split first."""

    engine: str
    options: RedeployOptions
    record: Path
    """For the live client."""

    async def work(self, run: Run) -> Outcome:
        """Split the sample, change one of its services, and redeploy it."""
        async with rehearsing(self.engine, rate=_RATE, record=self.record) as rehearsal:
            config = own_copy(rehearsal.config, self.record.parent)
            account_id = await check_command(config, SplitOptions(only=self.options.only))
            return await run.watch(
                f"rehearsal of a redeploy of {config.name} on the {rehearsal.engine} engine",
                config.services,
                lambda: self._split_and_redeploy(config, account_id),
            )

    async def _split_and_redeploy(self, config: SplitConfig, account_id: str) -> Outcome:
        await split(config, SplitOptions(drain=False), account_id)
        changed, *_ = chosen_services(config, self.options.only)
        change_source(changed)
        return await redeploy(config, self.options, account_id)


if __name__ == "__main__":
    sys.exit(main())
