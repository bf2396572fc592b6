"""A deployment of an ECS service, and the threshold of the circuit breaker."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sandbox.ecs.model.names import arn, deployment_number, now
from sandbox.ecs.model.task import COUNTED_AS_RUNNING, Network, Task

__all__ = ["Deployment", "breaker_threshold"]

_LEAST_FAILURES: Final = 3
_MOST_FAILURES: Final = 200
_BREAKER_PERCENT: Final = 50


@dataclass
class Deployment:
    """
    What a service runs, from one CreateService or UpdateService to the next.

    Guarded by the store's lock.
    """

    cluster: str
    service: str
    definition: dict[str, Any]
    """The task definition, as DescribeTaskDefinition returns it."""
    network: Network | None
    load_balancers: list[dict[str, Any]]
    number: str = field(default_factory=deployment_number)
    status: str = "PRIMARY"
    rollout_state: str = "IN_PROGRESS"
    rollout_reason: str = ""
    failed_tasks: int = 0
    rolls_back: "Deployment | None" = None
    """The failed deployment that this one undoes."""
    rolled_back_by: "Deployment | None" = None
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    finished: datetime | None = None

    def __post_init__(self) -> None:
        """Set the reason that AWS shows while a deployment runs."""
        self.rollout_reason = self.rollout_reason or f"ECS deployment {self.id} in progress."

    @property
    def id(self) -> str:
        """Its id, `ecs-svc/` and 19 digits; tasks carry it as `startedBy`."""
        return f"ecs-svc/{self.number}"

    @property
    def arn(self) -> str:
        """Its ARN as a service deployment."""
        return arn("service-deployment", self.cluster, self.service, self.number)

    @property
    def revision_arn(self) -> str:
        """ARN of its service revision."""
        return arn("service-revision", self.cluster, self.service, self.number)

    def settle(self, state: str, reason: str) -> None:
        """End the rollout."""
        self.rollout_state = state
        self.rollout_reason = reason
        self.updated = self.finished = now()

    def to_json(self, desired: int, tasks: list[Task], launch_type: str) -> dict[str, Any]:
        """
        The deployment as DescribeServices returns it.

        Args:
            desired: The service's desired count.
            tasks: The deployment's tasks.
            launch_type: The service's.
        """
        kept = desired if self.status == "PRIMARY" else sum(task.live for task in tasks)
        shown: dict[str, Any] = {
            "id": self.id,
            "status": self.status,
            "taskDefinition": self.definition["taskDefinitionArn"],
            "desiredCount": kept,
            "pendingCount": sum(task.pending for task in tasks),
            "runningCount": sum(task.status in COUNTED_AS_RUNNING for task in tasks),
            "failedTasks": self.failed_tasks,
            "createdAt": self.created,
            "updatedAt": self.updated,
            "launchType": launch_type,
            "platformVersion": "1.4.0",
            "platformFamily": "Linux",
            "rolloutState": self.rollout_state,
            "rolloutStateReason": self.rollout_reason,
        }
        if self.network:
            shown["networkConfiguration"] = self.network.configuration
        return shown

    def revision_to_json(self, desired: int, tasks: list[Task]) -> dict[str, Any]:
        """
        Its service revision, as DescribeServices and DescribeServiceDeployments return it.

        Args:
            desired: How many tasks of it are wanted.
            tasks: The service's tasks.
        """
        own = [task for task in tasks if task.deployment == self.id]
        return {
            "arn": self.revision_arn,
            "requestedTaskCount": desired,
            "runningTaskCount": sum(task.status in COUNTED_AS_RUNNING for task in own),
            "pendingTaskCount": sum(task.pending for task in own),
        }


def breaker_threshold(configuration: dict[str, Any], desired: int) -> int:
    """
    How many failed tasks trip the circuit breaker.

    Source: ECS developer guide, "deployment circuit breaker": half the desired count, at least 3,
    at most 200; ECS API ThresholdConfiguration.
    """
    custom = configuration.get("thresholdConfiguration") or {}
    kind, value = custom.get("type", "BOUNDED_PERCENT"), custom.get("value", _BREAKER_PERCENT)
    if kind == "COUNT":
        return int(value)
    threshold = math.ceil(desired * int(value) / 100)
    if kind == "UNBOUNDED_PERCENT":
        return threshold
    return min(max(threshold, _LEAST_FAILURES), _MOST_FAILURES)
