"""The plan of a rollback: where the paths are, and what sends them back to the monolith."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.change import Row, make_row, stale_plan, verify_plan
from flows.plan.monolith.record import why_not_restorable
from flows.plan.observe import gather_by_name, read_image
from flows.plan.owner import owner_of
from flows.plan.teardown import foreign_rules, removal_rows
from flows.record.outcome import MonolithOutcome, Outcome, ServiceOutcome, Status
from tasks.aws.call import call
from tasks.discovery import Discovered, Monolith, read_monolith
from tasks.ecs.service import read_service
from tasks.ecs.size_record import SizeRecord, recorded_size
from tasks.elbv2.default_action import read_balancer_rules
from tasks.elbv2.lock import is_abandoned
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import Rule
from tasks.elbv2.target_group import read_target_health
from tasks.elbv2.weights import is_returned, service_share
from tasks.state.owned import OwnedResources, read_owned
from tasks.state.taken_over import read_taken_over

__all__ = ["RollbackPlan", "outcome_of", "plan_rollback", "verify_rollback"]


@dataclass(frozen=True)
class RollbackPlan:
    """What AWS holds, and with that what has to happen."""

    monolith: Monolith
    healthy: int
    """Healthy targets of the monolith."""
    record: SizeRecord | None
    """Its size before the first weight; None when nothing is recorded."""
    taken_over: tuple[Rule, ...]
    """Rules that forwarded to the monolith before it was drained."""
    owned: tuple[OwnedResources, ...]
    """Of the services whose paths go back."""
    remove: bool
    """Whether the services are removed afterwards."""
    abandoned: bool
    """Whether a killed run has left its lock, which this run takes over and releases."""
    lacking: str | None = None
    """What is not recorded of a drained monolith, and the remedy."""
    refusals: tuple[str, ...] = ()
    """Why the run may not begin."""

    @property
    def restores(self) -> bool:
        """Whether the monolith's size, its health or its rules have to be restored."""
        return self.grows or self.is_short or bool(self.taken_over)

    @property
    def was_drained(self) -> bool:
        """Whether it has no tasks, or does not have its rules."""
        return self.monolith.desired_count == 0 or bool(self.taken_over)

    @property
    def grows(self) -> bool:
        """Whether it gets more tasks: it was drained, or scaled in since, and gets traffic back."""
        if self.record is None or self.monolith.desired_count >= self.record.desired_count:
            return False
        return self.monolith.desired_count == 0 or self.returns_traffic

    @property
    def is_short(self) -> bool:
        """Whether it gets traffic back, and has fewer healthy targets than it had."""
        if self.record is None:
            return False
        return self.returns_traffic and self.healthy < self.record.desired_count

    @property
    def resumes_scaling(self) -> bool:
        """Whether its scaling is suspended by the split."""
        return self.record is not None and self.record.is_held

    @property
    def returns_traffic(self) -> bool:
        """Whether a service gets requests."""
        return any(self.weight(item) != 0 for item in self.returning)

    @property
    def returning(self) -> list[OwnedResources]:
        """The services whose rules have to change."""
        return [item for item in self.owned if self._has_rules_to_change(item)]

    def _has_rules_to_change(self, owned: OwnedResources) -> bool:
        """Whether a rule sends it requests, or was left by a killed run."""
        if owned.private_rules:
            return True
        group = self.monolith.target_group_arn
        return not all(is_returned(rule, group) for rule in owned.path_rules)

    @property
    def removing(self) -> list[OwnedResources]:
        """The services that are removed."""
        if not self.remove:
            return []
        return [item for item in self.owned if item.resources]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        if self.abandoned or self.restores or self.resumes_scaling:
            return False
        return not self.returning and not self.removing

    def weight(self, owned: OwnedResources) -> int | None:
        """
        The highest percentage that a rule of a service sends it.

        Returns:
            None where somebody else has changed a rule.
        """
        highest = 0
        for rule in owned.path_rules:
            share = service_share(rule, self.monolith.target_group_arn, owned.target_group_arn)
            if share is None:
                return None
            highest = max(highest, share)
        return highest

    def rows(self) -> list[Row]:
        """As a table: service, resource, name, action, details; in the order of the steps."""
        rows = [*self._size_rows(), *self._taken_over_rows(), *self._lock_rows()]
        for item in self.returning:
            rows += self._return_rows(item)
        for item in self.removing:
            rows += removal_rows(item)
        return rows

    def _size_rows(self) -> list[Row]:
        if self.record is None:
            return []
        name = self.monolith.service
        rows = []
        if self.grows:
            before = self.monolith.desired_count
            count = f"desiredCount: {before} -> {self.record.desired_count}"
            rows.append(make_row(name, "ECS service", name, "update", count))
        if self.resumes_scaling and (self.record.suspension or not rows):
            rows.append(self.scaling_row())
        return rows

    def scaling_row(self) -> Row:
        """The line of the monolith's scaling, or of its record where it has none."""
        name = self.monolith.service
        suspension = self.record.suspension if self.record else None
        if suspension is None:
            return make_row(name, "ECS service", "tags", "update", "recorded size: removed")
        details = f"suspended as before the split: {suspension}"
        return make_row(name, "scalable target", name, "update", details)

    def _taken_over_rows(self) -> list[Row]:
        name = self.monolith.service
        return [
            make_row(name, _kind(rule), rule.label, "update", f"forward to {name}")
            for rule in self.taken_over
        ]

    def _lock_rows(self) -> list[Row]:
        if not self.abandoned:
            return []
        name = self.monolith.service
        return [make_row(name, "listener rule", "lock", "delete", "left by a killed run")]

    def _return_rows(self, owned: OwnedResources) -> list[Row]:
        """Those that send a service's paths back."""
        rows = self._traffic_rows(owned)
        if not self.remove:
            rows += _private_rows(owned)
        return rows

    def _traffic_rows(self, owned: OwnedResources) -> list[Row]:
        weight = self.weight(owned)
        if weight == 0:
            return []
        action = "update"
        details = f"{weight}% -> 0%"
        if weight is None:
            action = "conflict"
            details = "somebody else changed a rule: it forwards elsewhere"
        return [make_row(owned.service, "traffic", "weights", action, details)]


def _kind(rule: Rule) -> str:
    return "listener" if rule.is_default else "listener rule"


def _private_rows(owned: OwnedResources) -> list[Row]:
    return [
        make_row(owned.service, "listener rule", rule.label, "delete")
        for rule in owned.private_rules
    ]


def verify_rollback(planned: RollbackPlan, fresh: RollbackPlan) -> None:
    """
    Compare a plan with one that was made after the lock was taken.

    Args:
        planned: What was shown, and perhaps approved.
        fresh: The same plan, from what AWS holds now.

    Raises:
        StalePlan: With every difference.
    """
    # A killed run's lock is gone because this run has taken it over.
    before = replace(planned, abandoned=False).rows()
    now = replace(fresh, abandoned=False).rows()
    verify_plan(_still_due(before, now), now)
    refusals = set(fresh.refusals) - set(planned.refusals)
    if refusals:
        raise stale_plan(sorted(refusals))


def _still_due(planned: Sequence[Row], fresh: Sequence[Row]) -> list[Row]:
    """A killed run may have deleted an ECS service, which drains and is gone a moment later."""
    return [row for row in planned if row in fresh or not _deletes_service(row)]


def _deletes_service(row: Row) -> bool:
    return row["resource"] == "ECS service" and row["action"] == "delete"


async def plan_rollback(
    config: SplitConfig, discovered: Discovered, services: Iterable[ServiceConfig], *, remove: bool
) -> RollbackPlan:
    """
    Read where the paths of services are, and whether the monolith can take them.

    Args:
        config: The split.
        discovered: The monolith and its environment.
        services: Those whose paths go back.
        remove: Whether they are removed afterwards.

    Raises:
        PreflightFailed: The monolith's service is gone.
    """
    aws = config.aws
    monolith, _, _ = await call(
        read_monolith,
        aws,
        config.cluster,
        config.monolith.service,
        config.listener.load_balancer,
    )
    health = await call(read_target_health, aws, monolith.target_group_arn)
    taken_over = await call(read_taken_over, aws, discovered.listener_arn, config.name)
    rules = await call(read_rules, aws, discovered.listener_arn)
    reads = [
        read_owned(aws, discovered.cluster_arn, rules, service, owner_of(config, service))
        for service in services
    ]
    plan = RollbackPlan(
        monolith=monolith,
        healthy=health.healthy,
        record=recorded_size(monolith.tags, rules, config.name),
        taken_over=tuple(taken_over),
        owned=tuple(await asyncio.gather(*reads)),
        remove=remove,
        abandoned=is_abandoned(rules),
        lacking=why_not_restorable(config, monolith, discovered.listener_arn, rules),
    )
    return replace(plan, refusals=await _refusals(config, plan))


async def _refusals(config: SplitConfig, plan: RollbackPlan) -> tuple[str, ...]:
    """Why the run may not begin."""
    rules = await _rules_of_others(config, plan)
    return (*_no_healthy_target(config, plan), *rules)


def _no_healthy_target(config: SplitConfig, plan: RollbackPlan) -> list[str]:
    """A monolith that cannot take the paths back; a recorded size is restored first."""
    if plan.record or plan.healthy or not plan.returns_traffic:
        return []
    if plan.lacking:
        return [f"monolith.service: {plan.lacking}"]
    name = plan.monolith.service
    command = f"aws ecs update-service --cluster {config.cluster} --service {name}"
    text = (
        f"monolith.service: {name} has no healthy target (desired count "
        f"{plan.monolith.desired_count}) and no recorded size, so it cannot take the paths back; "
        f"scale it up with `{command} --desired-count N`"
    )
    return [text]


async def _rules_of_others(config: SplitConfig, plan: RollbackPlan) -> list[str]:
    """Rules of others that name target groups which are to be removed."""
    balancers: set[str] = set()
    for item in plan.removing:
        balancers.update(item.load_balancers)
    if not balancers:
        return []
    everywhere = await call(read_balancer_rules, config.aws, balancers)
    restored = {rule.arn for rule in plan.taken_over}
    remaining = [place for place in everywhere if place[1].arn not in restored]
    return foreign_rules(plan.removing, remaining)


async def outcome_of(
    config: SplitConfig,
    discovered: Discovered,
    plan: RollbackPlan,
    *,
    status: Status,
    stages: dict[str, str],
    error: str | None = None,
) -> Outcome:
    """
    What AWS holds, as the JSON object.

    Args:
        config: The split.
        discovered: The monolith and its environment.
        plan: Read at the end of the run.
        status: How it ended.
        stages: By service name, where they differ from what AWS shows.
        error: Why it failed.
    """
    services = await _service_outcomes(config, discovered, plan)
    for name, stage in stages.items():
        known = services.get(name, ServiceOutcome.of(stage))
        services[name] = known.at(stage)
    return Outcome(
        status=status,
        services=services,
        monolith=MonolithOutcome.of(plan.monolith.service, plan.monolith.desired_count),
        alb_url=discovered.alb_url,
        error=error,
    )


async def _service_outcomes(
    config: SplitConfig, discovered: Discovered, plan: RollbackPlan
) -> dict[str, ServiceOutcome]:
    reads = {item.service: _service_outcome(config, discovered, plan, item) for item in plan.owned}
    return await gather_by_name(reads)


async def _service_outcome(
    config: SplitConfig, discovered: Discovered, plan: RollbackPlan, owned: OwnedResources
) -> ServiceOutcome:
    group = owned.target_group_arn
    health = await call(read_target_health, config.aws, group) if group else None
    revision = await _read_revision(config, discovered, owned)
    return ServiceOutcome.of(
        _stage(plan, owned),
        weight=plan.weight(owned),
        health=health,
        image=await read_image(config.aws, revision) if revision else None,
        task_definition=revision,
    )


async def _read_revision(
    config: SplitConfig, discovered: Discovered, owned: OwnedResources
) -> str | None:
    """ARN of the revision that the ECS service runs."""
    if owned.ecs_service is None:
        return None
    service = await call(read_service, config.aws, discovered.cluster_arn, owned.service)
    return str(service["taskDefinition"]) if service else None


def _stage(plan: RollbackPlan, owned: OwnedResources) -> str:
    match plan.weight(owned):
        case 100:
            return "settled"
        case None | 0:
            return "returned" if owned.path_rules else "planned"
        case _:
            return "shifting"
