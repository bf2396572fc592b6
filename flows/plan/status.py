"""What AWS holds of a split now: read by describing alone, without a lock and without Prefect."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, SerializeAsAny

from config.errors import PreflightFailed
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.owner import owner_of
from flows.plan.routes import PathOwners, path_owners
from flows.plan.split import ServicePlan, plan_split
from flows.record.outcome import MonolithOutcome, Outcome, ServiceOutcome
from flows.report.artifacts import service_plan_rows
from tasks.aws.call import call
from tasks.aws.change import Create
from tasks.aws.credentials import refusals_explained
from tasks.discovery import Discovered, discover, read_monolith
from tasks.ecr.build import content_tag
from tasks.ecr.image import read_pushed_at
from tasks.ecs.scaling import read_suspension
from tasks.ecs.size_record import SizeRecord
from tasks.ecs.task_definition import read_task_definition
from tasks.elbv2.lock import Holder
from tasks.elbv2.rule_matching import CONTROL, LOCK, PREVIEW, ROLE, Rule
from tasks.elbv2.target_group import read_target_health
from tasks.preflight.images import check_build_files
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
    """When the image was pushed to ECR; null where ECR does not know it."""
    private_rules: int = 0
    """Preview and control rules: those of a run that is at work, or was killed."""


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
    """Who holds the listener."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    run: str
    """Name of the flow run."""
    host: str
    """Machine."""
    started: datetime
    """When the run began."""
    gone: bool
    """Whether it shows no sign of life, so that the next run takes over."""


class StatusOutcome(Outcome):
    """
    The common object, whose status is `completed` when the look succeeded, and what else is to be
    seen.
    """

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
    """Who answers each path, by ALB's rules."""
    lock: LockNow | None
    """The run that holds the listener; null when none does."""
    drift: tuple[dict[str, str], ...]
    """Rows of a plan: what is not as the config asks for; empty when everything is."""


async def read_status(config: SplitConfig) -> StatusOutcome:
    """
    Look at everything that a split is about; no call changes anything.

    Raises:
        PreflightFailed: The surroundings, or the sources that the images are compared with, cannot
            be read.

    Source: STS GetCallerIdentity; Describe calls of ECR, CloudWatch Logs, IAM, ECS, ELBv2,
        Application Auto Scaling.
    """
    await _check_sources(config)
    with refusals_explained():
        discovered = await call(discover.plain, config)
        looks = await asyncio.gather(
            *(_look(config, discovered, service) for service in config.services)
        )
        observed = dict(zip((service.name for service in config.services), looks, strict=True))
        plan = await asyncio.to_thread(plan_split, config, discovered, observed)
        services = await asyncio.gather(*(read_service_now(config, item) for item in plan.services))
        monolith = await _read_monolith_now(config, discovered)
    rules = plan.services[0].state.rules
    return StatusOutcome(
        status="completed",
        services=dict(zip(observed, services, strict=True)),
        monolith=monolith,
        alb_url=discovered.alb_url,
        split=config.name,
        cluster=config.cluster,
        region=config.aws.region,
        account_id=discovered.account_id,
        paths=tuple(path_owners(_patterns(config), rules, _group_names(discovered, plan.services))),
        lock=_lock(rules),
        drift=tuple(_drift(plan.services)),
    )


async def _check_sources(config: SplitConfig) -> None:
    found = await asyncio.gather(
        *(asyncio.to_thread(check_build_files, service) for service in config.services)
    )
    lines = [f"services[{index}].{line}" for index, own in enumerate(found) for line in own]
    if lines:
        raise PreflightFailed("\n".join(lines))


async def _look(
    config: SplitConfig, discovered: Discovered, service: ServiceConfig
) -> tuple[str | None, ServiceState]:
    """As `flows.plan.split.observe`, without Prefect: a look should not wait for a server."""
    tag = (
        await asyncio.to_thread(content_tag, service.build, service.cpu_architecture)
        if service.build
        else None
    )
    cluster, listener = discovered.cluster_arn, discovered.listener_arn
    return tag, await call(read_service_state.plain, config.aws, cluster, listener, service, tag)


async def read_service_now(config: SplitConfig, plan: ServicePlan) -> ServiceNow:
    """
    What a service runs; a service of the same name that is not this split's counts as none.

    Args:
        config: The split.
        plan: Of the service, with its state.
    """
    state, owner = plan.state, owner_of(config, config.service(plan.service))
    service = state.service if state.service and owner.owns(state.service["tags"]) else None
    image, pushed = None, None
    if service:
        definition = await call(read_task_definition, config.aws, service["taskDefinition"])
        image = str(definition["containerDefinitions"][0]["image"]) if definition else None
        pushed = await call(read_pushed_at, config.aws, image) if image else None
    return ServiceNow(
        stage=_stage(plan, service),
        weight=plan.weight,
        healthy_targets=state.health.healthy if state.health else None,
        image=image,
        task_definition=service["taskDefinition"] if service else None,
        targets=state.health.states if state.health else {},
        target_reasons=state.health.reasons if state.health else (),
        desired_count=service["desiredCount"] if service else None,
        running_count=service["runningCount"] if service else None,
        rollout=_rollout(service),
        image_pushed=pushed,
        private_rules=len(state.preview_rules(owner)),
    )


def _stage(plan: ServicePlan, service: Mapping[str, Any] | None) -> str:
    """How far a split has come with the service, as far as AWS tells."""
    if service is None:
        untouched = all(isinstance(item.change, Create) for item in plan.changes)
        return "planned" if untouched or plan.state.service else "prepared"
    if plan.weight == 0:
        return "placed"
    return "settled" if plan.weight == 100 else "shifting"


def _rollout(service: Mapping[str, Any] | None) -> str | None:
    deployments = service.get("deployments", []) if service else []
    primary = next((item for item in deployments if item["status"] == "PRIMARY"), None)
    return str(primary.get("rolloutState", "COMPLETED")) if primary else None


async def _read_monolith_now(config: SplitConfig, discovered: Discovered) -> MonolithNow:
    aws = config.aws
    monolith, _, _ = await call(read_monolith, aws, config.cluster, config.monolith.service)
    health = await call(read_target_health, aws, monolith.target_group_arn)
    scaling = await call(read_suspension, aws, discovered.cluster_arn, monolith.service)
    record = SizeRecord.from_tags(monolith.tags)
    return MonolithNow(
        service=monolith.service,
        desired_count=monolith.desired_count,
        drained=monolith.desired_count == 0,
        running_count=monolith.running_count,
        targets=health.states,
        recorded_count=record.desired_count if record else None,
        scaling=str(scaling) if scaling else None,
        recorded_scaling=str(record.suspension) if record and record.suspension else None,
    )


def _patterns(config: SplitConfig) -> dict[str, str]:
    """The service that each pattern is meant for."""
    return {
        pattern: service.name for service in config.services for pattern in service.path_patterns
    }


def _group_names(discovered: Discovered, plans: Sequence[ServicePlan]) -> dict[str, str]:
    """Names of services by target group ARN."""
    names = {discovered.monolith.target_group_arn: discovered.monolith.service}
    return names | {
        plan.state.target_group_arn: plan.service for plan in plans if plan.state.target_group_arn
    }


def _lock(rules: Sequence[Rule]) -> LockNow | None:
    rule = next((rule for rule in rules if rule.tags.get(ROLE) == LOCK), None)
    if rule is None:
        return None
    holder = Holder.from_tags(rule.tags)
    started = datetime.fromtimestamp(holder.started).astimezone()
    return LockNow(
        run=holder.run, host=holder.host, started=started, gone=holder.is_gone(time.time())
    )


def _drift(plans: Sequence[ServicePlan]) -> list[dict[str, str]]:
    """
    What a split would still do for the services; the rules that it makes for
    itself are no drift.
    """
    rows = service_plan_rows(plans)
    return [row for row in rows if row["action"] != "no change" and row["resource"] not in _PRIVATE]
