"""What AWS holds of a split now: read by describe calls alone, without a lock or Prefect."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, SerializeAsAny

from config.aws import AwsConfig
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.change import Row, ServicePlan, service_plan_rows
from flows.plan.observe import check_contexts, gather_by_name, observe, read_image
from flows.plan.owner import owner_of
from flows.plan.routes import PathOwners, path_owners
from flows.plan.split import Plan, plan_split
from flows.record.outcome import MonolithOutcome, Outcome, ServiceOutcome
from tasks.autoscaling.scaling import Suspension
from tasks.aws.call import call
from tasks.aws.credentials import refusals_explained
from tasks.aws.tags import Owner
from tasks.discovery import Discovered, discover, read_monolith
from tasks.ecr.image import read_pushed_at
from tasks.ecs.size_record import recorded_size
from tasks.elbv2.lock import Holder
from tasks.elbv2.rule_matching import CONTROL, LOCK, PREVIEW, ROLE, Rule
from tasks.elbv2.target_group import TargetHealth, read_target_health
from tasks.preflight.finding import refuse
from tasks.state.service import ServiceState, read_service_state

__all__ = [
    "LockNow",
    "MonolithNow",
    "ServiceNow",
    "StatusOutcome",
    "read_service_now",
    "read_status",
]


EcsService: TypeAlias = Mapping[str, Any]
"""ECS's description of a service."""

_PRIVATE: Final = frozenset({f"{PREVIEW} rule", f"{CONTROL} rule"})
_NO_TARGETS: Final = TargetHealth(healthy=0, states={}, reasons=())


class ServiceNow(ServiceOutcome):
    """One service as AWS holds it; image and revision are those that it runs."""

    targets: dict[str, int]
    """Number of targets by ELBv2's state, e.g. `healthy`."""
    target_reasons: tuple[str, ...] = ()
    """Why targets are not healthy."""
    desired_count: int | None = None
    """Desired count."""
    running_count: int | None = None
    """Running tasks."""
    rollout: str | None = None
    """ECS's state of the newest deployment: COMPLETED, IN_PROGRESS or FAILED."""
    image_pushed: datetime | None = None
    """When the image was pushed to ECR; null where ECR does not have it."""
    ecs_status: str | None = None
    """ECS's status of the service: ACTIVE, or DRAINING after somebody deleted it."""
    private_rules: int = 0
    """Preview and control rules of a run that is at work, or was killed."""


class MonolithNow(MonolithOutcome):
    """The monolith as AWS holds it."""

    running_count: int
    """Running tasks."""
    targets: dict[str, int]
    """Number of targets by ELBv2's state."""
    recorded_count: int | None = None
    """Desired count before the split, which a rollback restores; null when none is recorded."""
    scaling: str | None = None
    """
    Which of its scaling is suspended, `in`, `out` and `scheduled`; null when it is not scaled.
    """
    recorded_scaling: str | None = None
    """What of it was suspended before; null when the split has not changed it."""


class LockNow(BaseModel):
    """The run that has the lock on the listener."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    run: str
    """Name of the flow run."""
    host: str
    """Machine."""
    started: datetime
    """When the run began."""
    gone: bool
    """Whether the run has ended without releasing the lock, so that the next run takes it over."""


class StatusOutcome(Outcome):
    """The JSON object of every command, with the status `completed`, and the keys below."""

    services: dict[str, SerializeAsAny[ServiceOutcome]]
    """By service name; `ServiceNow` each."""
    monolith: SerializeAsAny[MonolithOutcome] | None
    """`MonolithNow`."""
    split: str
    """Name of the split."""
    cluster: str
    """ECS cluster."""
    region: str
    """AWS region."""
    account_id: str
    """AWS account."""
    paths: tuple[PathOwners, ...]
    """Which service gets the requests of each path, by the listener's rules."""
    lock: LockNow | None
    """The run that has the lock on the listener; null when none has."""
    drift: tuple[Row, ...]
    """Rows of a plan: where AWS differs from the config; empty when nothing differs."""


async def read_status(config: SplitConfig) -> StatusOutcome:
    """
    Read everything that belongs to a split; no call changes anything.

    Raises:
        PreflightFailed: The environment, or a build context, cannot be read.

    Source: STS GetCallerIdentity; Describe calls of ECR, CloudWatch Logs, IAM, ECS, ELBv2,
        Application Auto Scaling.
    """
    refuse(await check_contexts(config))
    with refusals_explained():
        discovered = await call(discover.plain, config)
        observed = await observe(config, discovered, config.services, read_state=_read_state)
        plan = plan_split(config, discovered, observed)
        services = await _read_services_now(config, plan.services)
        monolith = await _read_monolith_now(config, observed.rules)
    names = _target_group_names(discovered, plan.services)
    return StatusOutcome(
        status="completed",
        services=services,
        monolith=monolith,
        alb_url=discovered.alb_url,
        split=config.name,
        cluster=config.cluster,
        region=config.aws.region,
        account_id=discovered.account_id,
        paths=tuple(path_owners(_patterns(config), observed.rules, names)),
        lock=_lock(observed.rules),
        drift=tuple(_drift(plan)),
    )


async def _read_state(
    aws: AwsConfig, cluster: str, listener: str, service: ServiceConfig, tag: str | None
) -> ServiceState:
    """Not as a Prefect task: that would wait for a server."""
    return await call(
        read_service_state.plain,
        aws,
        cluster,
        listener,
        service,
        tag,
    )


async def _read_services_now(
    config: SplitConfig, plans: Sequence[ServicePlan]
) -> dict[str, ServiceNow]:
    reads = {plan.service: read_service_now(config, plan) for plan in plans}
    return await gather_by_name(reads)


async def read_service_now(config: SplitConfig, plan: ServicePlan) -> ServiceNow:
    """
    Read what a service runs; an ECS service of its name that this split does not own is left out.

    Args:
        config: The split.
        plan: Of the service, with its state.
    """
    owner = owner_of(config, config.service(plan.service))
    health = plan.state.health or _NO_TARGETS
    service = _own_service(plan, owner)
    held = service or {}
    image = await read_image(config.aws, held["taskDefinition"]) if service else None
    return ServiceNow.of(
        _stage(plan, service),
        weight=plan.weight,
        health=plan.state.health,
        image=image,
        task_definition=held.get("taskDefinition"),
        targets=health.states,
        target_reasons=health.reasons,
        desired_count=held.get("desiredCount"),
        running_count=held.get("runningCount"),
        rollout=_rollout(held),
        ecs_status=held.get("status"),
        image_pushed=await call(read_pushed_at, config.aws, image) if image else None,
        private_rules=len(plan.state.preview_rules(owner)),
    )


def _own_service(plan: ServicePlan, owner: Owner) -> EcsService | None:
    """The ECS service, where this split owns it."""
    service = plan.state.service
    if service is None:
        return None
    return service if owner.owns(service["tags"]) else None


def _stage(plan: ServicePlan, service: EcsService | None) -> str:
    """
    The stage that a split has reached with a service, as far as AWS shows it.

    Args:
        plan: Of the service.
        service: ECS's description; None when this split has not made it.
    """
    if service is None:
        return "prepared" if _is_prepared(plan) else "planned"
    match plan.weight:
        case 0:
            return "placed"
        case 100:
            return "settled"
        case _:
            return "shifting"


def _is_prepared(plan: ServicePlan) -> bool:
    """Whether something is there already, but no ECS service, not even somebody else's."""
    if plan.state.service:
        return False
    return len(plan.created()) < len(plan.changes)


def _rollout(service: EcsService) -> str | None:
    """ECS's state of the newest deployment."""
    for deployment in service.get("deployments", []):
        if deployment["status"] == "PRIMARY":
            return str(deployment.get("rolloutState", "COMPLETED"))
    return None


async def _read_monolith_now(config: SplitConfig, rules: Sequence[Rule]) -> MonolithNow:
    aws = config.aws
    monolith, _, _ = await call(
        read_monolith,
        aws,
        config.cluster,
        config.monolith.service,
        config.listener.load_balancer,
    )
    health = await call(read_target_health, aws, monolith.target_group_arn)
    record = recorded_size(monolith.tags, rules, config.name)
    held = record if record and record.is_held else None
    return MonolithNow.of(
        monolith.service,
        monolith.desired_count,
        running_count=monolith.running_count,
        targets=health.states,
        recorded_count=record.desired_count if record else None,
        scaling=_text(monolith.scaling),
        recorded_scaling=_text(held.suspension) if held else None,
    )


def _text(suspension: Suspension | None) -> str | None:
    return str(suspension) if suspension else None


def _patterns(config: SplitConfig) -> dict[str, str]:
    """The service that is to get each pattern."""
    wanted: dict[str, str] = {}
    for service in config.services:
        wanted |= dict.fromkeys(service.path_patterns, service.name)
    return wanted


def _target_group_names(discovered: Discovered, plans: Iterable[ServicePlan]) -> dict[str, str]:
    """Service by target group ARN."""
    monolith = discovered.monolith
    names = {monolith.target_group_arn: monolith.service}
    for plan in plans:
        arn = plan.state.target_group_arn
        if arn:
            names[arn] = plan.service
    return names


def _lock(rules: Iterable[Rule]) -> LockNow | None:
    for rule in rules:
        if rule.tags.get(ROLE) != LOCK:
            continue
        holder = Holder.from_tags(rule.tags)
        return LockNow(
            run=holder.run,
            host=holder.host,
            started=datetime.fromtimestamp(holder.started).astimezone(),
            gone=holder.is_gone(time.time()),
        )
    return None


def _drift(plan: Plan) -> list[Row]:
    """What a split would still do for the services, apart from rules that it removes again."""
    services = [row for row in service_plan_rows(plan.services) if _is_drift(row)]
    conflicts = [item for item in plan.monolith if item.conflict]
    return services + [item.row(plan.monolith_service) for item in conflicts]


def _is_drift(row: Row) -> bool:
    """Whether a row of a plan is neither done nor about a rule that the run removes again."""
    if row["action"] == "conflict":
        return True
    return row["action"] != "no change" and row["resource"] not in _PRIVATE
