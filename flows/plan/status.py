"""What AWS holds of a split now: read by describe calls alone, without a lock or Prefect."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, SerializeAsAny

from config.aws import AwsConfig
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.change import Row, ServicePlan, service_plan_rows
from flows.plan.observe import check_contexts, observe
from flows.plan.owner import owner_of
from flows.plan.routes import PathOwners, path_owners
from flows.plan.split import plan_split
from flows.record.outcome import MonolithOutcome, Outcome, ServiceOutcome
from tasks.aws.call import call
from tasks.aws.change import Create
from tasks.aws.credentials import refusals_explained
from tasks.discovery import Discovered, discover, read_monolith
from tasks.ecr.image import read_pushed_at
from tasks.ecs.scaling import read_suspension
from tasks.ecs.size_record import SizeRecord
from tasks.ecs.task_definition import read_task_definition
from tasks.elbv2.lock import Holder
from tasks.elbv2.rule_matching import CONTROL, LOCK, PREVIEW, ROLE, Rule
from tasks.elbv2.target_group import read_target_health
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


_PRIVATE: Final = frozenset({f"{PREVIEW} rule", f"{CONTROL} rule"})


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
    private_rules: int = 0
    """Preview and control rules of a run that is at work, or was killed."""


class MonolithNow(MonolithOutcome):
    """The monolith as AWS holds it."""

    running_count: int
    """Running tasks."""
    targets: dict[str, int]
    """Number of targets by ELBv2's state."""
    recorded_count: int | None = None
    """Desired count that a rollback restores; null when it was never drained."""
    scaling: str | None = None
    """
    Which of its scaling is suspended, `in`, `out` and `scheduled`; null when it is not scaled.
    """
    recorded_scaling: str | None = None
    """What of it was suspended before the drain."""


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
        monolith = await _read_monolith_now(config, discovered)
    owners = path_owners(
        _patterns(config), observed.rules, _target_group_names(discovered, plan.services)
    )
    return StatusOutcome(
        status="completed",
        services=services,
        monolith=monolith,
        alb_url=discovered.alb_url,
        split=config.name,
        cluster=config.cluster,
        region=config.aws.region,
        account_id=discovered.account_id,
        paths=tuple(owners),
        lock=_lock(observed.rules),
        drift=tuple(_drift(plan.services)),
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
    reads = [read_service_now(config, plan) for plan in plans]
    names = [plan.service for plan in plans]
    return dict(zip(names, await asyncio.gather(*reads), strict=True))


async def read_service_now(config: SplitConfig, plan: ServicePlan) -> ServiceNow:
    """
    Read what a service runs; an ECS service of its name that this split does not own is left out.

    Args:
        config: The split.
        plan: Of the service, with its state.
    """
    state = plan.state
    health = state.health
    owner = owner_of(config, config.service(plan.service))
    service = state.service if state.service and owner.owns(state.service["tags"]) else None
    held = service or {}
    image = await _running_image(config, held)
    return ServiceNow(
        stage=_stage(plan, service),
        weight=plan.weight,
        healthy_targets=health.healthy if health else None,
        image=image,
        task_definition=held.get("taskDefinition"),
        targets=health.states if health else {},
        target_reasons=health.reasons if health else (),
        desired_count=held.get("desiredCount"),
        running_count=held.get("runningCount"),
        rollout=_rollout(held),
        image_pushed=await call(read_pushed_at, config.aws, image) if image else None,
        private_rules=len(state.preview_rules(owner)),
    )


async def _running_image(config: SplitConfig, service: Mapping[str, Any]) -> str | None:
    if not service:
        return None
    definition = await call(read_task_definition, config.aws, service["taskDefinition"])
    return str(definition["containerDefinitions"][0]["image"]) if definition else None


def _stage(plan: ServicePlan, service: Mapping[str, Any] | None) -> str:
    """
    The stage that a split has reached with a service, as far as AWS shows it.

    Args:
        plan: Of the service.
        service: ECS's description; None when this split has not made it.
    """
    if service is None:
        untouched = all(isinstance(item.change, Create) for item in plan.changes)
        return "planned" if untouched or plan.state.service else "prepared"
    if plan.weight == 0:
        return "placed"
    return "settled" if plan.weight == 100 else "shifting"


def _rollout(service: Mapping[str, Any]) -> str | None:
    for deployment in service.get("deployments", []):
        if deployment["status"] == "PRIMARY":
            return str(deployment.get("rolloutState", "COMPLETED"))
    return None


async def _read_monolith_now(config: SplitConfig, discovered: Discovered) -> MonolithNow:
    aws = config.aws
    monolith, _, _ = await call(read_monolith, aws, config.cluster, config.monolith.service)
    health = await call(read_target_health, aws, monolith.target_group_arn)
    scaling = await call(read_suspension, aws, discovered.cluster_arn, monolith.service)
    record = SizeRecord.from_tags(monolith.tags)
    recorded_scaling = record.suspension if record else None
    return MonolithNow(
        service=monolith.service,
        desired_count=monolith.desired_count,
        drained=monolith.desired_count == 0,
        running_count=monolith.running_count,
        targets=health.states,
        recorded_count=record.desired_count if record else None,
        scaling=str(scaling) if scaling else None,
        recorded_scaling=str(recorded_scaling) if recorded_scaling else None,
    )


def _patterns(config: SplitConfig) -> dict[str, str]:
    """The service that is to get each pattern."""
    wanted: dict[str, str] = {}
    for service in config.services:
        wanted |= dict.fromkeys(service.path_patterns, service.name)
    return wanted


def _target_group_names(discovered: Discovered, plans: Iterable[ServicePlan]) -> dict[str, str]:
    """Service by target group ARN."""
    names = {discovered.monolith.target_group_arn: discovered.monolith.service}
    for plan in plans:
        if plan.state.target_group_arn:
            names[plan.state.target_group_arn] = plan.service
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


def _drift(plans: Iterable[ServicePlan]) -> list[Row]:
    """What a split would still do for the services, apart from rules that it removes again."""
    return [
        row
        for row in service_plan_rows(plans)
        if row["action"] != "no change" and row["resource"] not in _PRIVATE
    ]
