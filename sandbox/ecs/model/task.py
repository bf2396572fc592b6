"""An ECS task, and how AWS shows it."""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sandbox.api.internal import REGION
from sandbox.ecs.model.names import arn, now, task_id

__all__ = ["COUNTED_AS_RUNNING", "Network", "RunningContainer", "Task"]

COUNTED_AS_RUNNING: Final = ("RUNNING", "DEACTIVATING")
"""A draining task still counts: on AWS a deployment completes when the old tasks have stopped."""

Standing = Literal["pending", "healthy", "unhealthy"]

_NO_OVERRIDES: Final[dict[str, Any]] = {
    "containerOverrides": [],
    "inferenceAcceleratorOverrides": [],
}
_FIXED: Final[dict[str, Any]] = {
    "attributes": [],
    "connectivity": "CONNECTED",
    "healthStatus": "UNKNOWN",
    "enableExecuteCommand": False,
    "platformFamily": "Linux",
    "platformVersion": "1.4.0",
}
"""What DescribeTasks returns for every task."""


@dataclass(frozen=True)
class Network:
    """The awsvpc configuration of a deployment, with the availability zone of each subnet."""

    configuration: dict[str, Any]
    zones: dict[str, str]

    def subnet(self, turn: int) -> tuple[str, str]:
        """Subnet and availability zone of a service's nth task: tasks are spread over the zones."""
        subnets = list(self.zones.items())
        return subnets[turn % len(subnets)] if subnets else ("", f"{REGION}a")


@dataclass
class RunningContainer:
    """One container of a task."""

    definition: dict[str, Any]
    digest: str | None = None
    status: str = "PENDING"
    exit_code: int | None = None
    reason: str | None = None

    @property
    def name(self) -> str:
        """Its name in the task definition."""
        return str(self.definition["name"])

    @property
    def essential(self) -> bool:
        """Whether the task ends with it."""
        return bool(self.definition.get("essential", True))


@dataclass
class Task:
    """A task. Guarded by the store's lock, except for waiting for `stopping`."""

    cluster: str
    definition: dict[str, Any]
    network: Network | None
    group: str
    started_by: str | None = None
    service: str | None = None
    deployment: str | None = None
    load_balancers: list[dict[str, Any]] = field(default_factory=list)
    launch_type: str = "FARGATE"
    tags: list[dict[str, str]] = field(default_factory=list)
    overrides: dict[str, Any] = field(default_factory=dict)
    turn: int = 0

    id: str = field(default_factory=task_id)
    containers: list[RunningContainer] = field(init=False)
    status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    standing: Standing = "pending"
    """The scheduler's view; pending until the task, or its load balancer's target, is healthy."""
    address: str | None = None
    stopped_reason: str | None = None
    stop_code: str | None = None
    failed: bool = False
    """Whether it ended, or has to end, because of a failure."""
    accounted: bool = False
    """Whether the scheduler has counted the failure."""
    times: dict[str, datetime] = field(default_factory=lambda: {"createdAt": now()})
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Make the containers of the definition."""
        self.containers = [RunningContainer(one) for one in self.definition["containerDefinitions"]]

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn("task", self.cluster, self.id)

    @property
    def live(self) -> bool:
        """Whether it is meant to run."""
        return self.desired_status == "RUNNING"

    @property
    def pending(self) -> bool:
        """Whether it is on its way to RUNNING."""
        return self.live and self.status in ("PROVISIONING", "PENDING", "ACTIVATING")

    def request_stop(self, reason: str, code: str, *, failed: bool = False) -> None:
        """Mark that it has to stop; AWS shows the reason of the first request."""
        if not self.live:
            return
        self.desired_status = "STOPPED"
        self.stopped_reason = reason
        self.stop_code = code
        self.failed = self.failed or failed
        self.times["stoppingAt"] = now()
        self.stopping.set()

    def targets(self) -> list[tuple[str, str, int]]:
        """Target group, address and port of its targets; none before it has an address."""
        if self.address is None:
            return []
        return [
            (one["targetGroupArn"], self.address, one["containerPort"])
            for one in self.load_balancers
        ]

    def to_json(self, *, tags: bool) -> dict[str, Any]:
        """The task as DescribeTasks returns it."""
        subnet, zone = self.network.subnet(self.turn) if self.network else ("", f"{REGION}a")
        shown: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": arn("cluster", self.cluster),
            "taskDefinitionArn": self.definition["taskDefinitionArn"],
            "group": self.group,
            "launchType": self.launch_type,
            "availabilityZone": zone,
            "attachments": [self._attachment(subnet)] if self.network else [],
            "containers": [self._container(one) for one in self.containers],
            "cpu": self.definition.get("cpu"),
            "memory": self.definition.get("memory"),
            "desiredStatus": self.desired_status,
            "lastStatus": self.status,
            "overrides": {**_NO_OVERRIDES, **self.overrides},
            "startedBy": self.started_by,
            "stopCode": self.stop_code,
            "stoppedReason": self.stopped_reason,
            "tags": self.tags if tags else [],
            "version": len(self.times),
            **_FIXED,
            **self.times,
        }
        return _without_none(shown)

    def _attachment(self, subnet: str) -> dict[str, Any]:
        status = "ATTACHED" if self.address else "PRECREATED"
        if self.status == "STOPPED":
            status = "DELETED"
        details = [
            {"name": "subnetId", "value": subnet},
            {"name": "networkInterfaceId", "value": f"eni-{self.id[:17]}"},
        ]
        if self.address:
            details.append({"name": "privateIPv4Address", "value": self.address})
        return {
            "id": self.id,
            "type": "ElasticNetworkInterface",
            "status": status,
            "details": details,
        }

    def _container(self, container: RunningContainer) -> dict[str, Any]:
        interface = {"attachmentId": self.id, "privateIpv4Address": self.address}
        shown = {
            "containerArn": arn("container", self.cluster, self.id, container.name),
            "taskArn": self.arn,
            "name": container.name,
            "image": container.definition["image"],
            "imageDigest": container.digest,
            "runtimeId": f"{self.id}-{container.name}" if self.address else None,
            "lastStatus": container.status,
            "exitCode": container.exit_code,
            "reason": container.reason,
            "healthStatus": "UNKNOWN",
            "networkBindings": [],
            "networkInterfaces": [interface] if self.address else [],
            "cpu": str(container.definition.get("cpu", 0)),
        }
        return _without_none(shown)


def _without_none(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if value is not None}
