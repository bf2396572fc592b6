"""
Waits: until a service is stable and its targets healthy, or until it is clear that this will not
happen.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from prefect import task

from config.aws import AwsConfig
from config.errors import ServiceUnhealthy
from tasks.aws.call import call
from tasks.aws.log import log
from tasks.ecs.service import explain_service
from tasks.ecs.service_batch import read_service_together
from tasks.elbv2.target_group import TargetHealth, read_target_health

__all__ = ["wait_until_gone", "wait_until_healthy", "wait_until_stopped", "why_hopeless"]

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0


def why_hopeless(service: Mapping[str, Any], task_definition: str) -> str | None:
    """
    Why the service will not get there by itself; None while it may.

    Args:
        service: ECS's description.
        task_definition: ARN of the revision that it should run.
    """
    deployments = {item["taskDefinition"]: item for item in service.get("deployments", [])}
    wanted = deployments.get(task_definition)
    if wanted is None:
        running = service.get("taskDefinition", "another revision").rpartition("/")[2]
        return f"ECS rolled it back to {running}"
    if wanted.get("rolloutState") == "FAILED":
        return str(wanted.get("rolloutStateReason") or "its deployment failed")
    return None


def _is_stable(service: Mapping[str, Any]) -> bool:
    deployments = service.get("deployments", [])
    return (
        len(deployments) == 1
        and service["runningCount"] == service["desiredCount"]
        and deployments[0].get("rolloutState", "COMPLETED") == "COMPLETED"
    )


@task(
    name="wait until healthy",
    task_run_name="wait until {name} is healthy",
    tags=["aws"],
    persist_result=False,
)
async def wait_until_healthy(
    aws: AwsConfig,
    cluster: str,
    name: str,
    task_definition: str,
    target_group_arn: str,
    patience: float,
) -> TargetHealth:
    """
    Wait until the service is stable and all its targets are healthy.

    Args:
        aws: Where AWS is.
        cluster: Cluster name or ARN.
        name: ECS service.
        task_definition: ARN of the revision that it should run.
        target_group_arn: Its target group.
        patience: Seconds.

    Raises:
        ServiceUnhealthy: It failed, or the time is over; shows ECS's events, why the last task
            stopped, and the last lines of its container.

    Source: ECS DescribeServices; ELBv2 DescribeTargetHealth.
    """
    deadline, pause, told = time.monotonic() + patience, _FIRST_PAUSE, ""
    while True:
        service = await read_service_together(aws, cluster, name) or {"deployments": []}
        hopeless = why_hopeless(service, task_definition)
        if hopeless:
            raise ServiceUnhealthy(await _explain(aws, cluster, name, hopeless))
        health = await call(read_target_health, aws, target_group_arn)
        if _is_stable(service) and health.healthy >= service["desiredCount"]:
            log().info("%s is healthy: %s", name, health)
            return health
        state = f"{service['runningCount']} of {service['desiredCount']} tasks run, {health}"
        if state != told:
            log().info("%s: %s", name, state)
            told, pause = state, _FIRST_PAUSE
        if time.monotonic() > deadline:
            raise ServiceUnhealthy(
                await _explain(aws, cluster, name, f"not healthy after {patience:g} s: {state}")
            )
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.3)


async def _explain(aws: AwsConfig, cluster: str, name: str, why: str) -> str:
    details = await call(explain_service, aws, cluster, name)
    return f"ECS service {name}: {why}\n{details}".rstrip()


@task(
    name="wait until stopped",
    task_run_name="wait until {name} runs no task",
    tags=["aws"],
    persist_result=False,
)
async def wait_until_stopped(aws: AwsConfig, cluster: str, name: str, patience: float) -> None:
    """
    Wait until no task of the service runs any more.

    Raises:
        ServiceUnhealthy: Some still run when the time is over.

    Source: ECS DescribeServices.
    """
    deadline, pause = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        service = await read_service_together(aws, cluster, name)
        left = service["runningCount"] + service["pendingCount"] if service else 0
        if left == 0:
            return
        if time.monotonic() > deadline:
            raise ServiceUnhealthy(
                f"ECS service {name} still runs {left} tasks {patience:g} s after it was scaled "
                "to 0"
            )
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.3)


@task(
    name="wait until gone",
    task_run_name="wait until {name} is gone",
    tags=["aws"],
    persist_result=False,
)
async def wait_until_gone(aws: AwsConfig, cluster: str, name: str, patience: float) -> None:
    """
    Wait until a deleted service has drained: only then do its targets leave their group.

    Raises:
        ServiceUnhealthy: It still drains when the time is over.

    Source: ECS DescribeServices.
    """
    deadline, pause = time.monotonic() + patience, _FIRST_PAUSE
    while service := await read_service_together(aws, cluster, name):
        if time.monotonic() > deadline:
            raise ServiceUnhealthy(
                f"ECS service {name} is {service['status']} with {service['runningCount']} tasks "
                f"{patience:g} s after "
                "it was deleted; run again to go on"
            )
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.3)
