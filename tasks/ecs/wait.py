"""Waits: until a service is healthy, stopped or gone, or until it is clear that it will not be."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from prefect import task

from config.aws import AwsConfig
from config.errors import ServiceUnhealthy
from tasks.aws.call import call
from tasks.aws.log import log
from tasks.ecs.diagnosis import explain_service
from tasks.ecs.not_active import is_draining
from tasks.ecs.service_batch import read_service_together
from tasks.elbv2.target_group import TargetHealth, read_target_health

__all__ = [
    "wait_until_gone",
    "wait_until_healthy",
    "wait_until_stopped",
    "wait_while_draining",
    "why_hopeless",
]

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_SLOWER: Final = 1.3


class _Polling:
    """The pauses between polls, which become longer, and their end."""

    def __init__(self, patience: float) -> None:
        self._deadline = time.monotonic() + patience
        self._pause = _FIRST_PAUSE

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self._deadline

    def quicken(self) -> None:
        """Begin again with short pauses, because something has changed."""
        self._pause = _FIRST_PAUSE

    async def pause(self) -> None:
        """Wait until the next poll."""
        await asyncio.sleep(self._pause)
        self._pause = min(_LONGEST_PAUSE, self._pause * _SLOWER)


def why_hopeless(service: Mapping[str, Any], task_definition: str) -> str | None:
    """
    Why the service will not become healthy by itself; None while it may.

    Args:
        service: ECS's description.
        task_definition: ARN of the revision that it should run.
    """
    if is_draining(service):
        return "somebody is deleting it"
    deployments = {item["taskDefinition"]: item for item in service.get("deployments", [])}
    if task_definition not in deployments:
        running = service.get("taskDefinition", "another revision").rpartition("/")[2]
        return f"ECS rolled it back to {running}"
    wanted = deployments[task_definition]
    if wanted.get("rolloutState") == "FAILED":
        return str(wanted.get("rolloutStateReason") or "its deployment failed")
    return None


def _is_stable(service: Mapping[str, Any]) -> bool:
    """Whether its only deployment is complete, and all of its tasks run."""
    deployments = service.get("deployments", [])
    if len(deployments) != 1:
        return False
    state = deployments[0].get("rolloutState", "COMPLETED")
    if state != "COMPLETED":
        return False
    return bool(service["runningCount"] == service["desiredCount"])


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
        ServiceUnhealthy: It does not exist any more, it failed, or the time is up; shows ECS's
            events, why the last task stopped, and the last lines of its container.

    Source: ECS DescribeServices; ELBv2 DescribeTargetHealth.
    """
    polling = _Polling(patience)
    shown = ""
    while True:
        service = await _read_existing(aws, cluster, name)
        reason = why_hopeless(service, task_definition)
        if reason:
            raise ServiceUnhealthy(await _explain(aws, cluster, name, reason))
        health = await call(read_target_health, aws, target_group_arn)
        if _is_stable(service) and health.healthy >= service["desiredCount"]:
            log().info("%s is healthy: %s", name, health)
            return health
        state = f"{service['runningCount']} of {service['desiredCount']} tasks run, {health}"
        if state != shown:
            log().info("%s: %s", name, state)
            shown = state
            polling.quicken()
        if polling.is_over:
            reason = f"not healthy after {patience:g} s: {state}"
            raise ServiceUnhealthy(await _explain(aws, cluster, name, reason))
        await polling.pause()


async def _read_existing(aws: AwsConfig, cluster: str, name: str) -> dict[str, Any]:
    """Describe a service that should exist."""
    service = await read_service_together(aws, cluster, name)
    if service is None:
        cluster_name = cluster.rpartition("/")[2]
        raise ServiceUnhealthy(
            f"ECS service {name} no longer exists in cluster {cluster_name}: somebody deleted it; "
            "find out who in CloudTrail (DeleteService), then run again"
        )
    return service


async def _explain(aws: AwsConfig, cluster: str, name: str, reason: str) -> str:
    """The message for a service that is not healthy."""
    details = await call(explain_service, aws, cluster, name)
    return f"ECS service {name}: {reason}\n{details}".rstrip()


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
        ServiceUnhealthy: Some still run when the time is up.

    Source: ECS DescribeServices.
    """
    polling = _Polling(patience)
    while left := _tasks_left(await read_service_together(aws, cluster, name)):
        if polling.is_over:
            raise ServiceUnhealthy(
                f"ECS service {name} still runs {left} tasks {patience:g} s after it was scaled "
                "to 0"
            )
        await polling.pause()


def _tasks_left(service: Mapping[str, Any] | None) -> int:
    """How many tasks run or start."""
    if service is None:
        return 0
    return int(service["runningCount"] + service["pendingCount"])


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
        ServiceUnhealthy: It still drains when the time is up.

    Source: ECS DescribeServices.
    """
    polling = _Polling(patience)
    while service := await read_service_together(aws, cluster, name):
        _refuse_if_over(polling, service, patience)
        await polling.pause()


@task(
    name="wait while draining",
    task_run_name="wait while {name} drains",
    tags=["aws"],
    persist_result=False,
)
async def wait_while_draining(aws: AwsConfig, cluster: str, name: str, patience: float) -> None:
    """
    Wait until a service that somebody deleted has drained; not where it is there again already.

    Raises:
        ServiceUnhealthy: It still drains when the time is up.

    Source: ECS DescribeServices.
    """
    polling = _Polling(patience)
    while is_draining(service := await read_service_together(aws, cluster, name)):
        _refuse_if_over(polling, service or {}, patience)
        await polling.pause()


def _refuse_if_over(polling: _Polling, service: Mapping[str, Any], patience: float) -> None:
    """Name a deleted service that does not end."""
    if polling.is_over:
        raise ServiceUnhealthy(
            f"ECS service {service['serviceName']} is {service['status']} with "
            f"{service['runningCount']} tasks {patience:g} s after it was deleted; run again to "
            "continue"
        )
