"""What it takes to send paths back to the monolith. Changes nothing."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.owner import owner_of
from flows.plan.teardown import foreign_rules, removal_rows
from flows.record.outcome import MonolithOutcome, Outcome, ServiceOutcome, Status
from flows.report.tables import Row
from tasks.aws.call import call
from tasks.discovery import Discovered, Monolith, read_monolith
from tasks.ecs.service import read_service
from tasks.ecs.size_record import SizeRecord
from tasks.ecs.task_definition import read_task_definition
from tasks.elbv2.default_action import read_balancer_rules, read_taken_over
from tasks.elbv2.lock import is_abandoned
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import Rule
from tasks.elbv2.target_group import read_target_health
from tasks.elbv2.weights import is_returned, service_share
from tasks.state.owned import OwnedResources, read_owned

__all__ = ["RollbackPlan", "outcome_of", "plan_rollback"]


@dataclass(frozen=True)
class RollbackPlan:
    """Where everything is, and with that what has to happen."""

    monolith: Monolith
    healthy: int
    """Healthy targets of the monolith."""
    record: SizeRecord | None
    """What to restore of its size; None when it was not drained."""
    taken_over: tuple[Rule, ...]
    """Rules that forwarded to the monolith before it was drained."""
    owned: tuple[OwnedResources, ...]
    """Of the services that are to go back."""
    remove: bool
    abandoned: bool
    """Whether a killed run has left its lock, which this one takes over and releases."""
    refusals: tuple[str, ...]
    """Why it cannot begin."""

    @property
    def restores(self) -> bool:
        """Whether something of the monolith has to be restored."""
        return self.record is not None or bool(self.taken_over)

    @property
    def returning(self) -> list[OwnedResources]:
        """The services whose rules have to change."""
        group = self.monolith.target_group_arn
        return [
            item
            for item in self.owned
            if item.private_rules or any(not is_returned(rule, group) for rule in item.path_rules)
        ]

    @property
    def removing(self) -> list[OwnedResources]:
        """The services that are to be removed."""
        return [item for item in self.owned if item.resources] if self.remove else []

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.restores or self.returning or self.removing or self.abandoned)

    def weight(self, owned: OwnedResources) -> int | None:
        """
        Percent of its paths' requests that a service gets; None where somebody else has changed a
        rule.
        """
        group = self.monolith.target_group_arn
        shares = [service_share(rule, group, owned.target_group_arn) for rule in owned.path_rules]
        return None if None in shares else max((share for share in shares if share), default=0)

    def rows(self) -> list[Row]:
        """As a table: service, resource, name, action, details; in order."""
        rows = [*self._monolith_rows()]
        if self.abandoned:
            rows.append(
                _row(
                    self.monolith.service,
                    "listener rule",
                    "lock",
                    "delete",
                    "left by a run that was killed",
                )
            )
        for item in self.returning:
            weight = self.weight(item)
            if weight != 0:
                known = weight is not None
                details = (
                    f"{weight} % -> 0 %"
                    if known
                    else "a rule forwards elsewhere: somebody changed it"
                )
                rows.append(
                    _row(
                        item.service,
                        "traffic",
                        "weights",
                        "update" if known else "conflict",
                        details,
                    )
                )
            if not self.remove:
                rows += [
                    _row(item.service, "listener rule", rule.label, "delete")
                    for rule in item.private_rules
                ]
        return rows + [row for item in self.removing for row in removal_rows(item)]

    def _monolith_rows(self) -> Iterable[Row]:
        name, record = self.monolith.service, self.record
        if record:
            counts = f"desiredCount: {self.monolith.desired_count} -> {record.desired_count}"
            yield _row(name, "ECS service", name, "update", counts)
            if record.suspension:
                yield _row(
                    name,
                    "scalable target",
                    name,
                    "update",
                    f"suspended again as before: {record.suspension}",
                )
        for rule in self.taken_over:
            yield _row(
                name,
                "listener" if rule.is_default else "listener rule",
                rule.label,
                "update",
                "to it again",
            )


def _row(service: str, resource: str, name: str, action: str, details: str = "") -> Row:
    return {
        "service": service,
        "resource": resource,
        "name": name,
        "action": action,
        "details": details,
    }


async def plan_rollback(
    config: SplitConfig, discovered: Discovered, services: Iterable[ServiceConfig], *, remove: bool
) -> RollbackPlan:
    """
    Look where the paths of services are, and whether the monolith can take them.

    Args:
        config: The split.
        discovered: What is only read.
        services: Those that are to go back.
        remove: Whether they are removed afterwards.

    Raises:
        PreflightFailed: The monolith's service is gone.
    """
    aws = config.aws
    monolith, _, _ = await call(read_monolith, aws, config.cluster, config.monolith.service)
    health = await call(read_target_health, aws, monolith.target_group_arn)
    taken = await call(read_taken_over, aws, discovered.listener_arn, config.name)
    rules = await call(read_rules, aws, discovered.listener_arn)
    owned = await asyncio.gather(
        *(
            read_owned(aws, discovered.cluster_arn, rules, service, owner_of(config, service))
            for service in services
        )
    )
    found = RollbackPlan(
        monolith=monolith,
        healthy=health.healthy,
        record=SizeRecord.from_tags(monolith.tags),
        taken_over=tuple(taken),
        owned=tuple(owned),
        remove=remove,
        abandoned=is_abandoned(rules),
        refusals=(),
    )
    return RollbackPlan(**(vars(found) | {"refusals": tuple(await _refusals(config, found))}))


async def _refusals(config: SplitConfig, found: RollbackPlan) -> list[str]:
    lines = []
    moving = any(found.weight(item) != 0 for item in found.returning)
    if moving and found.record is None and found.healthy == 0:
        lines.append(
            f"monolith.service: {found.monolith.service} has no healthy target (desired count "
            f"{found.monolith.desired_count}), and no size of it is recorded, so it cannot take "
            "the paths back; "
            f"`aws ecs update-service --cluster {config.cluster} --service "
            f"{found.monolith.service} --desired-count N`"
        )
    if found.removing:
        balancers = {arn for item in found.removing for arn in item.load_balancers}
        everywhere = await call(read_balancer_rules, config.aws, balancers)
        taken = {rule.arn for rule in found.taken_over}
        lines += foreign_rules(
            found.removing, [(where, rule) for where, rule in everywhere if rule.arn not in taken]
        )
    return lines


async def outcome_of(
    config: SplitConfig,
    discovered: Discovered,
    found: RollbackPlan,
    *,
    status: Status,
    stages: dict[str, str],
    error: str | None = None,
) -> Outcome:
    """
    What AWS holds, as the one object.

    Args:
        config: The split.
        discovered: What is only read.
        found: Read at the end of the run.
        status: How it ended.
        stages: By service name, where the run has one to tell.
        error: Why it failed.
    """
    services = await asyncio.gather(
        *(_service_outcome(config, discovered, found, item) for item in found.owned)
    )
    outcomes = dict(zip((item.service for item in found.owned), services, strict=True))
    outcomes |= {name: _at(outcomes.get(name), stage) for name, stage in stages.items()}
    return Outcome(
        status=status,
        services=outcomes,
        monolith=MonolithOutcome(
            service=found.monolith.service,
            desired_count=found.monolith.desired_count,
            drained=found.monolith.desired_count == 0,
        ),
        alb_url=discovered.alb_url,
        error=error,
    )


def _at(outcome: ServiceOutcome | None, stage: str) -> ServiceOutcome:
    return outcome.model_copy(update={"stage": stage}) if outcome else ServiceOutcome(stage=stage)


async def _service_outcome(
    config: SplitConfig, discovered: Discovered, found: RollbackPlan, owned: OwnedResources
) -> ServiceOutcome:
    aws, weight = config.aws, found.weight(owned)
    group, definition = owned.target_group_arn, None
    health = await call(read_target_health, aws, group) if group else None
    service = (
        await call(read_service, aws, discovered.cluster_arn, owned.service)
        if owned.ecs_service
        else None
    )
    if service:
        definition = await call(read_task_definition, aws, service["taskDefinition"])
    stage = (
        "settled"
        if weight == 100
        else "shifting"
        if weight
        else "returned"
        if owned.path_rules
        else "planned"
    )
    return ServiceOutcome(
        stage=stage,
        weight=weight,
        healthy_targets=health.healthy if health else None,
        image=definition["containerDefinitions"][0]["image"] if definition else None,
        task_definition=service["taskDefinition"] if service else None,
    )
