"""
Brings a service that has all its traffic into line: a rolling deployment that goes back when it is
not right.
"""

from collections.abc import Mapping
from typing import Any

from config.errors import ServiceUnhealthy, StepFailed
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome
from flows.service.prepare import Prepared
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.discovery import Discovered
from tasks.ecs.service import Service, desired_service, ensure_service, read_service
from tasks.ecs.wait import wait_until_healthy
from tasks.elbv2.target_group import TargetHealth, desired_target_group, ensure_target_group
from tasks.http.checks import run_checks
from tasks.http.client import Route

__all__ = ["good_revision", "roll_out"]


async def roll_out(
    config: SplitConfig,
    discovered: Discovered,
    service: ServiceConfig,
    owner: Owner,
    prepared: Prepared,
) -> ServiceOutcome:
    """
    Replace a service's tasks while users call it: ECS stops an old task only when a new one is
    healthy.

    Args:
        config: The split.
        discovered: Listener, cluster and network.
        service: The service; it has all requests for its paths.
        owner: Whose it is.
        prepared: What it is to run.

    Raises:
        ServiceUnhealthy: The circuit breaker has rolled it back, or it took too long; the old
            revision serves.
        CheckFailed: It answers wrong; the old revision serves.
    """
    aws, name = config.aws, service.name
    emit("stage", name, "rolling out")
    held = await call(read_service, aws, discovered.cluster_arn, name)
    before = good_revision(held) if held else None
    group = await ensure_target_group(aws, desired_target_group(service, owner, discovered.vpc_id))

    def running(revision: str) -> Service:
        return desired_service(
            service, owner, discovered, task_definition=revision, target_group=group
        )

    try:
        await ensure_service(aws, running(prepared.task_definition))
        health = await _wait(config, discovered, name, prepared.task_definition, group)
        emit("stage", name, "verifying")
        await run_checks(name, "on its public path", Route(discovered.alb_url), service.checks)
    except StepFailed as error:
        # The whole of it is the service's failure, told where that is known.
        emit("check", name, str(error).partition("\n")[0], verdict="fail")
        if before in (None, prepared.task_definition):
            raise
        await ensure_service(aws, running(str(before)))
        raise type(error)(
            f"{error}\n{await _back_on(config, discovered, name, str(before), group)}"
        ) from None
    emit("check", name, f"{len(service.checks)} checks hold on its public path", verdict="pass")
    emit("stage", name, "settled", numbers={"healthy_targets": health.healthy})
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
    config: SplitConfig, discovered: Discovered, name: str, revision: str, group: str
) -> TargetHealth:
    return await wait_until_healthy(
        config.aws, discovered.cluster_arn, name, revision, group, config.stable_timeout
    )


async def _back_on(
    config: SplitConfig, discovered: Discovered, name: str, revision: str, group: str
) -> str:
    """See the old revision serve again; in words."""
    label = revision.rpartition("/")[2]
    try:
        health = await _wait(config, discovered, name, revision, group)
    except ServiceUnhealthy as error:
        return f"{name} is not well on {label} either: {error}"
    text = f"{name} is back on {label}, which serves its paths: {health}"
    emit("note", name, text, numbers={"healthy_targets": health.healthy})
    return text
