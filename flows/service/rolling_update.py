"""
Brings a service that has all its traffic into line: a rolling deployment that goes back when it is
not right.
"""

from collections.abc import Mapping
from typing import Any

from config.errors import ServiceUnhealthy, StepFailed
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.record.events import tell
from flows.record.outcome import ServiceOutcome
from flows.service.prepare import Prepared
from tasks.aws.call import poll
from tasks.aws.tags import Owner
from tasks.discovery import Surroundings
from tasks.ecs.service import Service, desired_service, ensure_service, read_service
from tasks.ecs.wait import wait_until_healthy
from tasks.elbv2.target_group import TargetHealth, desired_target_group, ensure_target_group
from tasks.http.checks import run_checks
from tasks.http.client import Route

__all__ = ["good_revision", "roll_out"]


async def roll_out(
    config: SplitConfig,
    around: Surroundings,
    service: ServiceConfig,
    owner: Owner,
    prepared: Prepared,
) -> ServiceOutcome:
    """
    Replace a service's tasks while users call it: ECS stops an old task only when a new one is
    healthy.

    Args:
        config: The split.
        around: Listener, cluster and network.
        service: The service; it has all requests for its paths.
        owner: Whose it is.
        prepared: What it is to run.

    Raises:
        ServiceUnhealthy: The circuit breaker has rolled it back, or it took too long; the old
            revision serves.
        CheckFailed: It answers wrong; the old revision serves.
    """
    aws, name = config.aws, service.name
    tell("stage", name, "rolling out")
    held = await poll(read_service, aws, around.cluster_arn, name)
    before = good_revision(held) if held else None
    group = await ensure_target_group(aws, desired_target_group(service, owner, around.vpc_id))

    def running(revision: str) -> Service:
        return desired_service(service, owner, around, task_definition=revision, target_group=group)

    try:
        await ensure_service(aws, running(prepared.task_definition))
        health = await _wait(config, around, name, prepared.task_definition, group)
        tell("stage", name, "verifying")
        await run_checks(name, "on its public path", Route(around.alb_url), service.checks)
    except StepFailed as error:
        # The whole of it is the service's failure, told where that is known.
        tell("check", name, str(error).partition("\n")[0], verdict="fail")
        if before in (None, prepared.task_definition):
            raise
        await ensure_service(aws, running(str(before)))
        raise type(error)(
            f"{error}\n{await _back_on(config, around, name, str(before), group)}"
        ) from None
    tell("check", name, f"{len(service.checks)} checks hold on its public path", verdict="pass")
    tell("stage", name, "settled", numbers={"healthy_targets": health.healthy})
    return ServiceOutcome(
        stage="settled",
        weight=100,
        healthy_targets=health.healthy,
        image=prepared.image,
        task_definition=prepared.task_definition,
    )


def good_revision(service: Mapping[str, Any]) -> str | None:
    """
    ARN of the revision that a service ran last without fault: where the circuit breaker goes back
    to.

    Args:
        service: ECS's description.
    """
    deployments = service.get("deployments", [])
    good = [
        item["taskDefinition"]
        for item in deployments
        if item.get("rolloutState", "COMPLETED") == "COMPLETED"
    ]
    return good[0] if good else None


async def _wait(
    config: SplitConfig, around: Surroundings, name: str, revision: str, group: str
) -> TargetHealth:
    return await wait_until_healthy(
        config.aws, around.cluster_arn, name, revision, group, config.stable_timeout
    )


async def _back_on(
    config: SplitConfig, around: Surroundings, name: str, revision: str, group: str
) -> str:
    """See the old revision serve again; in words."""
    label = revision.rpartition("/")[2]
    try:
        health = await _wait(config, around, name, revision, group)
    except ServiceUnhealthy as error:
        return f"{name} is not well on {label} either: {error}"
    text = f"{name} is back on {label}, which serves its paths: {health}"
    tell("note", name, text, numbers={"healthy_targets": health.healthy})
    return text
