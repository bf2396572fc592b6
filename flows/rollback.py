"""
Rolls paths back to the monolith, at any time after a split, also a partial or a killed one.

    python -m flows.rollback CONFIG [--only NAME]... [--remove] [--yes] [--plan] [--json]

The monolith comes first: its recorded size, its health, its rules; then the weights, its scaling,
and with `--remove` the services. On a terminal it asks for confirmation. Elsewhere it begins at
once, as another split restores all of it; but `--remove`, which deletes, then requires `--yes`.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import flow

from config.errors import StepFailed, TrafficConflict
from config.load import load_config
from config.split import SplitConfig
from flows.cli.arguments import add_only, add_plan, add_yes, command_parser, each_once
from flows.cli.run import Run, run_command
from flows.fan_out.bounded import failure_text, failures, side_by_side
from flows.fan_out.removal import remove_all
from flows.monolith.hold import end_hold, scale_in_held
from flows.monolith.restore import restore_monolith
from flows.monolith.site import Site
from flows.plan.options import ROLLBACK_DEFAULTS, RollbackOptions, chosen_services, unknown_names
from flows.plan.rollback import RollbackPlan, outcome_of, plan_rollback, verify_rollback
from flows.record.events import emit
from flows.record.outcome import Outcome, ServiceOutcome
from flows.runtime.approval import approve_start
from flows.runtime.config_source import ConfigSource
from flows.runtime.run import begin_run, locked_run, published_plan
from flows.service.step.request_rate import wait_until_idle
from tasks.aws.call import call
from tasks.aws.credentials import read_account, refusals_explained
from tasks.discovery import Discovered, discover
from tasks.elbv2.rule import delete_rule
from tasks.elbv2.rule_matching import Rule
from tasks.elbv2.weights import is_returned, return_rule
from tasks.http.checks import run_checks
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
    Roll paths back to the monolith.

    Args:
        config: The split: a split.yaml that the worker can read, or its content.
        options: Which paths, and whether the services are removed as well.
        account_id: Account of the credentials, where the command line has read it already.

    Raises:
        BadInput: Nothing was changed.
        RunFailed: The monolith could not be restored, and the services still serve; or a service
            kept its paths.
    """
    config = await begin_run(config)
    refuse(unknown_names(config, "--only", options.only))
    discovered = await discover(config, account_id)
    work = _Rollback(config, discovered, options)
    plan = await work.plan()
    rows = plan.rows()
    async with published_plan(config, rows):
        refuse(plan.refusals)
    if options.plan_only or plan.is_empty:
        outcome = await work.outcome(plan, _Done({}, None))
        return outcome.with_plan(rows, is_empty=plan.is_empty)

    await approve_start(work.question(plan), rows, yes=options.yes, undoable=not options.remove)
    async with locked_run(config, discovered) as run:
        plan = await work.verified(plan)
        done = await work.carry_out(plan)
        left = await work.plan()
        run.finish(await work.outcome(left, done))
    return run.outcome


@dataclass(frozen=True)
class _Done:
    """What a run has done."""

    stages: dict[str, str]
    """Stage of each service that it changed."""
    error: str | None
    """Why the run failed, if it did."""


@dataclass(frozen=True)
class _Rollback:
    """The steps of one run."""

    config: SplitConfig
    discovered: Discovered
    options: RollbackOptions

    async def plan(self) -> RollbackPlan:
        """What is to be done, by what AWS holds now."""
        chosen = chosen_services(self.config, self.options.only)
        with refusals_explained():
            return await plan_rollback(
                self.config,
                self.discovered,
                chosen,
                remove=self.options.remove,
            )

    async def verified(self, plan: RollbackPlan) -> RollbackPlan:
        """
        The plan as of now, under the lock.

        Raises:
            StalePlan: It is no longer what was shown.
        """
        fresh = await self.plan()
        verify_rollback(plan, fresh)
        return fresh

    def question(self, plan: RollbackPlan) -> str:
        """What a person is asked to approve."""
        services = [item.service for item in plan.owned]
        names = ", ".join(services)
        text = f"Roll the paths of {names} back to {self.config.monolith.service}"
        if plan.remove:
            return f"{text} and remove everything that the split made for them?"
        return f"{text}?"

    async def carry_out(self, plan: RollbackPlan) -> _Done:
        """The monolith, then the weights, then the removal."""
        if plan.restores or plan.returns_traffic:
            try:
                await self._restore_monolith(plan)
            except StepFailed as error:
                name = self.config.monolith.service
                kept = await self._keep_hold()
                lines = [f"{name} could not be restored: the services still serve", str(error)]
                return _Done({}, "\n".join([*lines, kept] if kept else lines))
            except BaseException:
                # Also after a cancellation: the hold of scale-in has to outlast this run.
                await asyncio.shield(self._keep_hold())
                raise
        async with scale_in_held(self.config, self.discovered, shifts=False):
            return await self._roll_back(plan)

    async def _keep_hold(self) -> str | None:
        """A monolith that could not be restored keeps the tasks that it has for the next try."""
        return await end_hold(Site(self.config, self.discovered), unrestored=True)

    async def _roll_back(self, plan: RollbackPlan) -> _Done:
        failed = await self._return_all(plan.returning)
        stages = {item.service: "returned" for item in plan.returning}
        removing = [item for item in plan.removing if item.service not in failed]
        results = await remove_all(
            self.config,
            self.discovered,
            self.config.services,
            removing,
        )
        failed |= failures(results)
        stages |= {item.service: "removed" for item in removing}
        stages |= dict.fromkeys(failed, "failed")
        if not failed:
            return _Done(stages, None)
        return _Done(stages, failure_text(failed, len(stages), "could not be rolled back"))

    async def _restore_monolith(self, plan: RollbackPlan) -> None:
        monolith = self.config.monolith
        await restore_monolith(self.config, self.discovered, "rolled back")
        if not plan.was_drained:
            return
        await run_checks(
            self.config.aws,
            monolith.service,
            "on the public route",
            self.discovered.route(),
            monolith.checks,
        )

    async def _return_all(self, returning: Sequence[OwnedResources]) -> dict[str, str]:
        """All weights at once: a rollback does not wait for metrics in between."""
        owned = {item.service: item for item in returning}

        async def return_paths(name: str) -> ServiceOutcome:
            return await self._return_paths(owned[name])

        results = await side_by_side(list(owned), len(owned) or 1, return_paths)
        failed = failures(results)
        waits = [self._await_returned(item) for item in returning if item.service not in failed]
        await asyncio.gather(*waits)
        return failed

    async def _return_paths(self, owned: OwnedResources) -> ServiceOutcome:
        """Every request of its paths to the monolith; rules left by a killed run go as well."""
        emit("stage", owned.service, "returning")
        conflicts = []
        for rule in owned.path_rules:
            if not is_returned(rule, self.discovered.monolith.target_group_arn):
                try:
                    await self._return_rule(rule, owned)
                except TrafficConflict as conflict:  # the other rules return all the same
                    conflicts.append(str(conflict))
        if conflicts:
            raise TrafficConflict("\n".join(conflicts))
        emit("weight", owned.service, "weight 0%: rolled back to the monolith", weight=0)
        for rule in owned.private_rules:
            await delete_rule(self.config.aws, rule.arn)
        return ServiceOutcome.of("returned", weight=0)

    async def _return_rule(self, rule: Rule, owned: OwnedResources) -> None:
        group = owned.target_group_arn
        if group is None:
            raise TrafficConflict(
                f"{rule.label} forwards to a target group that is not {owned.service}'s; restore "
                "it by hand"
            )
        monolith = self.discovered.monolith.target_group_arn
        await return_rule(self.config.aws, rule.arn, monolith, group)

    async def _await_returned(self, owned: OwnedResources) -> None:
        if owned.target_group_arn:
            await wait_until_idle(
                self.config,
                self.discovered.load_balancer_arn,
                self.config.service(owned.service),
                owned.target_group_arn,
            )
        emit("stage", owned.service, "returned")

    async def outcome(self, left: RollbackPlan, done: _Done) -> Outcome:
        """What AWS holds at the end."""
        return await outcome_of(
            self.config,
            self.discovered,
            left,
            status="failed" if done.error else "completed",
            stages=done.stages,
            error=done.error,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    arguments = _parser().parse_args(argv)
    options = RollbackOptions(
        only=each_once(arguments.only),
        remove=arguments.remove,
        yes=arguments.yes,
        plan_only=arguments.plan,
    )
    return run_command(arguments, lambda run: _work(run, arguments.config, options))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "rollback",
        "Roll paths back to the monolith, at any time after a split: first the monolith's "
        "recorded size, its health and its rules, then the weights.",
        config_required=True,
    )
    add_plan(parser)
    add_only(parser, "roll back only this service's paths; repeatable")
    parser.add_argument(
        "--remove", action="store_true", help="then remove what the split made for the services"
    )
    add_yes(parser, "skip confirmation (required for deletes when non-interactive)")
    return parser


async def _work(run: Run, path: Path, options: RollbackOptions) -> Outcome:
    config = load_config(path)
    refuse(unknown_names(config, "--only", options.only))
    account_id = await call(read_account, config.aws)
    return await run.watch(
        f"{config.name}: rollback to {config.monolith.service} in {config.cluster}",
        chosen_services(config, options.only),
        lambda: rollback(config, options, account_id),
    )


if __name__ == "__main__":
    sys.exit(main())
