"""What it takes to send paths back to the monolith. Changes nothing."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.owner import owner_of
from flows.record.outcome import MonolithOutcome, Outcome, ServiceOutcome, Status
from flows.report.tables import Row
from flows.service.remove import removal_rows, strangers
from tasks.aws.call import poll
from tasks.discovery import Monolith, Surroundings, read_monolith
from tasks.ecs.service import read_service
from tasks.ecs.size_record import SizeRecord
from tasks.ecs.task_definition import read_task_definition
from tasks.elbv2.default_action import read_balancer_rules, read_taken_over
from tasks.elbv2.lock import is_abandoned
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import Rule
from tasks.elbv2.target_group import read_target_health
from tasks.elbv2.weights import is_returned, service_share
from tasks.state.owned import Traces, read_traces

__all__ = ["WayBack", "outcome_of", "plan_way_back"]


@dataclass(frozen=True)
class WayBack:
    """Where everything is, and with that what has to happen."""

    monolith: Monolith
    healthy: int
    """Healthy targets of the monolith."""
    record: SizeRecord | None
    """What to restore of its size; None when it was not drained."""
    taken_over: tuple[Rule, ...]
    """Rules that forwarded to the monolith before it was drained."""
    traces: tuple[Traces, ...]
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
    def returning(self) -> list[Traces]:
        """The services whose rules have to change."""
        group = self.monolith.target_group_arn
        return [
            item
            for item in self.traces
            if item.private_rules or any(not is_returned(rule, group) for rule in item.path_rules)
        ]

    @property
    def removing(self) -> list[Traces]:
        """The services that are to be removed."""
        return [item for item in self.traces if item.resources] if self.remove else []

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.restores or self.returning or self.removing or self.abandoned)

    def weight(self, traces: Traces) -> int | None:
        """
        Percent of its paths' requests that a service gets; None where somebody else has changed a
        rule.
        """
        group = self.monolith.target_group_arn
        shares = [service_share(rule, group, traces.target_group_arn) for rule in traces.path_rules]
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


async def plan_way_back(
    config: SplitConfig, around: Surroundings, services: Iterable[ServiceConfig], *, remove: bool
) -> WayBack:
    """
    Look where the paths of services are, and whether the monolith can take them.

    Args:
        config: The split.
        around: What is only read.
        services: Those that are to go back.
        remove: Whether they are removed afterwards.

    Raises:
        PreflightFailed: The monolith's service is gone.
    """
    aws = config.aws
    monolith, _, _ = await poll(read_monolith, aws, config.cluster, config.monolith.service)
    health = await poll(read_target_health, aws, monolith.target_group_arn)
    taken = await poll(read_taken_over, aws, around.listener_arn, config.name)
    rules = await poll(read_rules, aws, around.listener_arn)
    traces = await asyncio.gather(
        *(
            read_traces(aws, around.cluster_arn, rules, service, owner_of(config, service))
            for service in services
        )
    )
    found = WayBack(
        monolith=monolith,
        healthy=health.healthy,
        record=SizeRecord.from_tags(monolith.tags),
        taken_over=tuple(taken),
        traces=tuple(traces),
        remove=remove,
        abandoned=is_abandoned(rules),
        refusals=(),
    )
    return WayBack(**(vars(found) | {"refusals": tuple(await _refusals(config, found))}))


async def _refusals(config: SplitConfig, found: WayBack) -> list[str]:
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
        everywhere = await poll(read_balancer_rules, config.aws, balancers)
        taken = {rule.arn for rule in found.taken_over}
        lines += strangers(
            found.removing, [(where, rule) for where, rule in everywhere if rule.arn not in taken]
        )
    return lines


async def outcome_of(
    config: SplitConfig,
    around: Surroundings,
    found: WayBack,
    *,
    status: Status,
    stages: dict[str, str],
    error: str | None = None,
) -> Outcome:
    """
    What AWS holds, as the one object.

    Args:
        config: The split.
        around: What is only read.
        found: Read at the end of the run.
        status: How it ended.
        stages: By service name, where the run has one to tell.
        error: Why it failed.
    """
    services = await asyncio.gather(
        *(_service_outcome(config, around, found, item) for item in found.traces)
    )
    outcomes = dict(zip((item.service for item in found.traces), services, strict=True))
    outcomes |= {name: _at(outcomes.get(name), stage) for name, stage in stages.items()}
    return Outcome(
        status=status,
        services=outcomes,
        monolith=MonolithOutcome(
            service=found.monolith.service,
            desired_count=found.monolith.desired_count,
            drained=found.monolith.desired_count == 0,
        ),
        alb_url=around.alb_url,
        error=error,
    )


def _at(outcome: ServiceOutcome | None, stage: str) -> ServiceOutcome:
    return outcome.model_copy(update={"stage": stage}) if outcome else ServiceOutcome(stage=stage)


async def _service_outcome(
    config: SplitConfig, around: Surroundings, found: WayBack, traces: Traces
) -> ServiceOutcome:
    aws, weight = config.aws, found.weight(traces)
    group, definition = traces.target_group_arn, None
    health = await poll(read_target_health, aws, group) if group else None
    service = (
        await poll(read_service, aws, around.cluster_arn, traces.service)
        if traces.ecs_service
        else None
    )
    if service:
        definition = await poll(read_task_definition, aws, service["taskDefinition"])
    stage = (
        "settled"
        if weight == 100
        else "shifting"
        if weight
        else "returned"
        if traces.path_rules
        else "planned"
    )
    return ServiceOutcome(
        stage=stage,
        weight=weight,
        healthy_targets=health.healthy if health else None,
        image=definition["containerDefinitions"][0]["image"] if definition else None,
        task_definition=service["taskDefinition"] if service else None,
    )
