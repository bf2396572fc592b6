"""An ECS service, and how AWS shows it."""

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


_FIXED: Final[dict[str, Any]] = {
    "serviceRegistries": [],
    "createdBy": f"arn:aws:iam::{ACCOUNT}:root",
    "deploymentController": {"type": "ECS"},
    "placementConstraints": [],
    "placementStrategy": [],
    "schedulingStrategy": "REPLICA",
    "platformFamily": "Linux",
}
"""What DescribeServices returns for every service."""


@dataclass
class Service:
    """A service. Guarded by the store's lock."""

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
    """Tasks that failed since the last healthy one."""
    start_after: float = 0.0
    """Monotonic time before which no task is started, after failures."""
    launched: int = 0

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn("service", self.cluster, self.name)

    @property
    def primary(self) -> Deployment:
        """The current deployment."""
        return self.deployments[0]

    @property
    def deployment_configuration(self) -> dict[str, Any]:
        """With AWS's defaults."""
        return {**_DEPLOYMENT_DEFAULTS, **(self.request.get("deploymentConfiguration") or {})}

    @property
    def breaker(self) -> dict[str, Any]:
        """The deployment circuit breaker's configuration."""
        return self.deployment_configuration.get("deploymentCircuitBreaker") or {}

    @property
    def launch_type(self) -> str:
        """FARGATE unless the request has another one."""
        return str(self.request.get("launchType", "FARGATE"))

    @property
    def grace(self) -> float:
        """Seconds during which failed health checks of a new task are ignored."""
        return float(self.request.get("healthCheckGracePeriodSeconds") or 0)

    def add_event(self, message: str) -> None:
        """Add an event: AWS's message, without the service's name at its beginning."""
        event = {
            "id": str(uuid.uuid4()),
            "createdAt": now(),
            "message": f"(service {self.name}) {message}",
        }
        self.events.appendleft(event)

    def deploy(self, deployment: Deployment) -> None:
        """Make a deployment PRIMARY; the former one is ACTIVE until its tasks have stopped."""
        for former in self.deployments:
            former.status = "ACTIVE"
        self.deployments.insert(0, deployment)
        self.history.appendleft(deployment)
        self.failures = 0
        self.start_after = 0.0
        self.steady = False

    def to_json(self, tasks: list[Task], *, tags: bool) -> dict[str, Any]:
        """
        The service as DescribeServices returns it.

        Args:
            tasks: Its tasks.
            tags: Whether to include its tags.
        """
        deployments = self.deployments if self.status != "INACTIVE" else []
        return {
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": arn("cluster", self.cluster),
            "status": self.status,
            "desiredCount": self.desired,
            "runningCount": sum(task.status in COUNTED_AS_RUNNING for task in tasks),
            "pendingCount": sum(task.pending for task in tasks),
            "taskDefinition": self.primary.definition["taskDefinitionArn"],
            "loadBalancers": self.primary.load_balancers,
            "deployments": [self._deployment(one, tasks) for one in deployments],
            "events": list(self.events),
            "createdAt": self.created,
            "deploymentConfiguration": self.deployment_configuration,
            "tags": self.tags if tags else [],
            "currentServiceDeployment": self.primary.arn,
            "currentServiceRevisions": [self._revision(one, tasks) for one in self.deployments],
            **_FIXED,
            **self._from_request(),
            **self._from_deployment(),
        }

    def _from_request(self) -> dict[str, Any]:
        """What DescribeServices returns as it was requested."""
        request = self.request
        shown = {
            "platformVersion": request.get("platformVersion", "LATEST"),
            "enableECSManagedTags": request.get("enableECSManagedTags", False),
            "enableExecuteCommand": request.get("enableExecuteCommand", False),
            "propagateTags": request.get("propagateTags", "NONE"),
            "availabilityZoneRebalancing": request.get("availabilityZoneRebalancing", "DISABLED"),
        }
        if "capacityProviderStrategy" in request:
            shown["capacityProviderStrategy"] = request["capacityProviderStrategy"]
        else:
            shown["launchType"] = self.launch_type
        return shown

    def _from_deployment(self) -> dict[str, Any]:
        """What DescribeServices returns only for some deployments."""
        shown: dict[str, Any] = {}
        if self.primary.network:
            shown["networkConfiguration"] = self.primary.network.configuration
        if self.primary.load_balancers:
            shown["healthCheckGracePeriodSeconds"] = int(self.grace)
            shown["roleArn"] = _SERVICE_ROLE
        return shown

    def _deployment(self, deployment: Deployment, tasks: list[Task]) -> dict[str, Any]:
        own = [task for task in tasks if task.deployment == deployment.id]
        return deployment.to_json(self.desired, own, self.launch_type)

    def _revision(self, deployment: Deployment, tasks: list[Task]) -> dict[str, Any]:
        desired = self.desired if deployment is self.primary else 0
        return deployment.revision_to_json(desired, tasks)
