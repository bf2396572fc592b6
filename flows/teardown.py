"""
Removes exactly what a split has made.

    python -m flows.teardown CONFIG [--yes] [--plan] [--json]

It goes by the tags: a resource of the same name that the split did not make stays, as does what it
adopted; a service that is no longer in the config is found. It refuses while anything of the split
serves users: `python -m flows.rollback` comes first.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import flow

from config.load import load_config
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.cli.arguments import add_plan, add_yes, command_parser
from flows.cli.run import Run, run_command
from flows.fan_out.bounded import failures
from flows.fan_out.removal import remove_all
from flows.monolith.hold import end_hold
from flows.monolith.site import Site
from flows.plan.change import Row
from flows.plan.options import TEARDOWN_DEFAULTS, TeardownOptions
from flows.plan.rollback import RollbackPlan, outcome_of, plan_rollback, verify_rollback
from flows.record.outcome import Outcome
from flows.runtime.approval import approve_start
from flows.runtime.config_source import ConfigSource
from flows.runtime.run import begin_run, locked_run, published_plan
from tasks.aws.call import call
from tasks.aws.credentials import read_account, refusals_explained
from tasks.discovery import Discovered, discover
from tasks.elbv2.rule import read_rules
from tasks.preflight.finding import refuse
from tasks.state.owned import OwnedResources, former_service, read_former_services

__all__ = ["main", "teardown"]


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
        options: Whether to skip confirmation, and whether to show only the plan.
        account_id: Account of the credentials, where the command line has read it already.

    Raises:
        BadInput: Nothing was changed; among others because something of the split serves users.
        RunFailed: Something is left; run it again.
    """
    config = await begin_run(config)
    discovered = await discover(config, account_id)
    work = _Teardown(config, discovered)
    found = await work.find()
    async with published_plan(config, found.rows):
        refuse(work.refusals(found))
    if options.plan_only or found.is_empty:
        outcome = await work.outcome({}, found)
        return outcome.with_plan(found.rows, is_empty=found.is_empty)

    await approve_start(found.question, found.rows, yes=options.yes, undoable=False)
    async with locked_run(config, discovered) as run:
        found = await work.verified(found)
        await end_hold(Site(config, discovered))
        results = await remove_all(config, discovered, found.services, found.plan.removing)
        failed = failures(results)
        left = await work.find()
        run.finish(await work.outcome(failed, left, removed=found.names))
    return run.outcome


@dataclass(frozen=True)
class _Found:
    """What there is to remove."""

    services: tuple[ServiceConfig, ...]
    """Those of the config, and former ones."""
    plan: RollbackPlan

    @property
    def names(self) -> list[str]:
        """Services of which something is removed."""
        return [item.service for item in self.plan.removing]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.plan.removing or self.plan.abandoned or self.plan.resumes_scaling)

    @property
    def rows(self) -> list[Row]:
        """The plan, without what a rollback does first."""
        rows = self.plan.rows()
        deletes = [row for row in rows if row["action"] == "delete"]
        if self.plan.resumes_scaling:
            return [self.plan.scaling_row(), *deletes]
        return deletes

    @property
    def question(self) -> str:
        """What a person is asked to approve."""
        if not self.names:
            return "Remove what a run that was killed has left?"
        return f"Remove everything that the split made for {', '.join(self.names)}?"


@dataclass(frozen=True)
class _Teardown:
    """The steps of one run."""

    config: SplitConfig
    discovered: Discovered

    async def find(self) -> _Found:
        """What the split has made, by its tags."""
        with refusals_explained():
            services = (*self.config.services, *await self._former_services())
            plan = await plan_rollback(self.config, self.discovered, services, remove=True)
        return _Found(services, plan)

    async def _former_services(self) -> list[ServiceConfig]:
        """Those that the split has made, and that are no longer in the config."""
        rules = await call(read_rules, self.config.aws, self.discovered.listener_arn)
        names = await read_former_services(
            self.config.aws,
            self.config.name,
            rules,
            [service.name for service in self.config.services],
        )
        return [former_service(name) for name in names]

    async def verified(self, found: _Found) -> _Found:
        """
        What there is to remove as of now, under the lock.

        Raises:
            StalePlan: It is no longer what was shown.
            PreflightFailed: It is in use.
        """
        fresh = await self.find()
        verify_rollback(found.plan, fresh.plan)
        refuse(self.refusals(fresh))
        return fresh

    def refusals(self, found: _Found) -> list[str]:
        """Why nothing may be removed: it may be in use."""
        if found.is_empty:
            return []
        return [*self._in_use(found.plan), *found.plan.refusals]

    def _in_use(self, plan: RollbackPlan) -> list[str]:
        lines = self._drained(plan)
        for item in plan.removing:
            lines += _traffic(plan, item)
        if lines:
            lines.append("roll back first: `python -m flows.rollback CONFIG`")
        return lines

    def _drained(self, plan: RollbackPlan) -> list[str]:
        """What of the monolith only a rollback restores."""
        name = self.config.monolith.service
        lines = []
        if plan.record and plan.monolith.desired_count == 0:
            size = plan.record.desired_count
            lines.append(
                f"{name} is drained, and the record of its size of {size} tasks would be removed"
            )
        for rule in plan.taken_over:
            text = f"{rule.label} was taken over from {name}, and is not restored"
            lines.append(text)
        return lines

    async def outcome(
        self, failed: dict[str, str], left: _Found, *, removed: Sequence[str] = ()
    ) -> Outcome:
        """What AWS holds at the end."""
        stages = dict.fromkeys(removed, "removed") | dict.fromkeys(failed, "failed")
        return await outcome_of(
            self.config,
            self.discovered,
            left.plan,
            status="failed" if failed else "completed",
            stages=stages,
            error="\n".join(failed.values()) or None,
        )


def _traffic(plan: RollbackPlan, item: OwnedResources) -> list[str]:
    weight = plan.weight(item)
    if weight is None:
        return [f"{item.service}: its rules forward to a target group that the split did not make"]
    if weight:
        return [f"{item.service}: receives {weight}% of the requests for its paths"]
    return []


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    arguments = _parser().parse_args(argv)
    options = TeardownOptions(yes=arguments.yes, plan_only=arguments.plan)
    return run_command(arguments, lambda run: _work(run, arguments.config, options))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "teardown",
        "Remove exactly what the split of CONFIG made. Refused while any of it serves users, and "
        "while the monolith is drained: roll back first.",
        config_required=True,
    )
    add_plan(parser)
    add_yes(parser, "skip confirmation (required for deletes when non-interactive)")
    return parser


async def _work(run: Run, path: Path, options: TeardownOptions) -> Outcome:
    config = load_config(path)
    account_id = await call(read_account, config.aws)
    return await run.watch(
        f"{config.name}: teardown in {config.cluster}",
        config.services,
        lambda: teardown(config, options, account_id),
    )


if __name__ == "__main__":
    sys.exit(main())
