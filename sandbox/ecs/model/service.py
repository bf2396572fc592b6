"""An ECS service: its model, and how AWS shows it."""

import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sandbox.api.internal import ACCOUNT
from sandbox.ecs.model.deployment import Deployment
from sandbox.ecs.model.names import arn, now
from sandbox.ecs.model.task import COUNTED_AS_RUNNING, Task

__all__ = ["Service"]

_EVENTS: Final = 100
"""AWS shows the latest hundred."""
_HISTORY: Final = 50
_SERVICE_ROLE: Final = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
)
_DEPLOYMENT_DEFAULTS: Final = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
}


@dataclass
class Service:
    """One service. Guarded by the store's lock."""

    cluster: str
    name: str
    desired: int
    request: dict[str, Any]
    """The CreateService request, kept up to date by UpdateService."""
    deployments: list[Deployment] = field(default_factory=list)
    """Newest first; the first is PRIMARY."""
    history: deque[Deployment] = field(default_factory=lambda: deque(maxlen=_HISTORY))
    """Every deployment, newest first."""
    completed: Deployment | None = None
    """The last deployment that completed: what a rollback returns to."""
    tags: list[dict[str, str]] = field(default_factory=list)
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_EVENTS))
    status: str = "ACTIVE"
    created: datetime = field(default_factory=now)
    steady: bool = False
    failures: int = 0
    """Tasks that failed in a row; a healthy one ends the row."""
    start_after: float = 0.0
    """Monotonic time before which no task is started, because so many have failed."""
    launched: int = 0

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn("service", self.cluster, self.name)

    @property
    def primary(self) -> Deployment:
        """The deployment in force."""
        return self.deployments[0]

    @property
    def deployment_configuration(self) -> dict[str, Any]:
        """With AWS's defaults."""
        return {**_DEPLOYMENT_DEFAULTS, **(self.request.get("deploymentConfiguration") or {})}

    @property
    def grace(self) -> float:
        """Seconds during which failed health checks of a new task are ignored."""
        return float(self.request.get("healthCheckGracePeriodSeconds") or 0)

    def say(self, message: str) -> None:
        """Add an event; `message` goes on after the service's name, in AWS's own words."""
        event = {
            "id": str(uuid.uuid4()),
            "createdAt": now(),
            "message": f"(service {self.name}) {message}",
        }
        self.events.appendleft(event)

    def deploy(self, deployment: Deployment) -> None:
        """Put a deployment in force; what was in force becomes ACTIVE until its tasks are gone."""
        for former in self.deployments:
            former.status = "ACTIVE"
        self.deployments.insert(0, deployment)
        self.history.appendleft(deployment)
        self.failures, self.start_after, self.steady = 0, 0.0, False

    def to_json(self, tasks: list[Task], *, tags: bool) -> dict[str, Any]:
        """
        The service as DescribeServices answers it.

        Args:
            tasks: Its tasks.
            tags: Whether they were asked for.
        """
        request, launch_type = self.request, self.request.get("launchType", "FARGATE")
        shown = self.deployments if self.status != "INACTIVE" else []
        of: dict[str | None, list[Task]] = {}
        for task in tasks:
            of.setdefault(task.deployment, []).append(task)
        answer = {
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": arn("cluster", self.cluster),
            "status": self.status,
            "desiredCount": self.desired,
            "runningCount": sum(task.status in COUNTED_AS_RUNNING for task in tasks),
            "pendingCount": sum(task.pending for task in tasks),
            "taskDefinition": self.primary.definition["taskDefinitionArn"],
            "loadBalancers": self.primary.load_balancers,
            "serviceRegistries": [],
            "deployments": [
                one.to_json(self.desired, of.get(one.id, []), launch_type) for one in shown
            ],
            "events": list(self.events),
            "createdAt": self.created,
            "createdBy": f"arn:aws:iam::{ACCOUNT}:root",
            "deploymentConfiguration": self.deployment_configuration,
            "deploymentController": {"type": "ECS"},
            "placementConstraints": [],
            "placementStrategy": [],
            "schedulingStrategy": "REPLICA",
            "platformVersion": request.get("platformVersion", "LATEST"),
            "platformFamily": "Linux",
            "enableECSManagedTags": request.get("enableECSManagedTags", False),
            "enableExecuteCommand": request.get("enableExecuteCommand", False),
            "propagateTags": request.get("propagateTags", "NONE"),
            "availabilityZoneRebalancing": request.get("availabilityZoneRebalancing", "DISABLED"),
            "tags": self.tags if tags else [],
            "currentServiceDeployment": self.primary.arn,
            "currentServiceRevisions": self._revisions(of),
        }
        if "capacityProviderStrategy" in request:
            answer["capacityProviderStrategy"] = request["capacityProviderStrategy"]
        else:
            answer["launchType"] = launch_type
        if self.primary.network:
            answer["networkConfiguration"] = self.primary.network.configuration
        if self.primary.load_balancers:
            answer["healthCheckGracePeriodSeconds"] = int(self.grace)
            answer["roleArn"] = _SERVICE_ROLE
        return answer

    def _revisions(self, of: dict[str | None, list[Task]]) -> list[dict[str, Any]]:
        return [
            {
                "arn": one.revision_arn,
                "requestedTaskCount": self.desired if one is self.primary else 0,
                "runningTaskCount": sum(
                    task.status in COUNTED_AS_RUNNING for task in of.get(one.id, [])
                ),
                "pendingTaskCount": sum(task.pending for task in of.get(one.id, [])),
            }
            for one in self.deployments
        ]
