"""An ECS task: what it runs, where it stands, and how AWS shows it."""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sandbox.api.internal import ACCOUNT, REGION
from sandbox.ecs.model.names import arn, now, task_id

__all__ = ["COUNTED_AS_RUNNING", "Network", "RunningContainer", "Task"]

COUNTED_AS_RUNNING: Final = ("RUNNING", "DEACTIVATING")
"""
A task that drains still counts: AWS calls a deployment complete only when the old tasks have
stopped.
"""

Standing = Literal["pending", "healthy", "unhealthy"]


@dataclass(frozen=True)
class Network:
    """The awsvpc configuration of a deployment, with the availability zone of each subnet."""

    configuration: dict[str, Any]
    zones: dict[str, str]

    def subnet(self, turn: int) -> tuple[str, str]:
        """
        Subnet and availability zone of the task whose turn it is: tasks
        are spread over the zones.
        """
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
    """
    One task. Guarded by the store's lock; `stopping` may be waited for without it.

    `standing` is the scheduler's view: pending until it is healthy (with a load balancer: until the
    target is).
    """

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
    was_healthy: bool = False
    address: str | None = None
    stopped_reason: str | None = None
    stop_code: str | None = None
    failed: bool = False
    """It ended, or has to end, by its own fault, not because somebody wanted it to."""
    accounted: bool = False
    """The scheduler has counted the failure."""
    times: dict[str, datetime] = field(default_factory=lambda: {"createdAt": now()})
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Make the containers that the definition names."""
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
        """Mark that it has to stop; the first reason given is the one that AWS shows."""
        if not self.live:
            return
        self.desired_status, self.stopped_reason, self.stop_code = "STOPPED", reason, code
        self.failed = self.failed or failed
        self.times["stoppingAt"] = now()
        self.stopping.set()

    def targets(self) -> list[tuple[str, str, int]]:
        """
        Target group, address and port of each target that it is; none
        before it has an address.
        """
        if self.address is None:
            return []
        return [
            (one["targetGroupArn"], self.address, one["containerPort"])
            for one in self.load_balancers
        ]

    def to_json(self, *, tags: bool) -> dict[str, Any]:
        """The task as DescribeTasks answers it."""
        subnet, zone = self.network.subnet(self.turn) if self.network else ("", f"{REGION}a")
        answer: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": arn("cluster", self.cluster),
            "taskDefinitionArn": self.definition["taskDefinitionArn"],
            "group": self.group,
            "launchType": self.launch_type,
            "availabilityZone": zone,
            "attachments": [self._attachment(subnet)] if self.network else [],
            "attributes": [],
            "connectivity": "CONNECTED",
            "containers": [self._container(one) for one in self.containers],
            "cpu": self.definition.get("cpu"),
            "memory": self.definition.get("memory"),
            "desiredStatus": self.desired_status,
            "lastStatus": self.status,
            "healthStatus": "UNKNOWN",
            "enableExecuteCommand": False,
            "overrides": {
                "containerOverrides": [],
                "inferenceAcceleratorOverrides": [],
                **self.overrides,
            },
            "platformFamily": "Linux",
            "platformVersion": "1.4.0",
            "startedBy": self.started_by,
            "stopCode": self.stop_code,
            "stoppedReason": self.stopped_reason,
            "tags": self.tags if tags else [],
            "version": len(self.times),
            **self.times,
        }
        return {name: value for name, value in answer.items() if value is not None}

    def _attachment(self, subnet: str) -> dict[str, Any]:
        attached = (
            "DELETED" if self.status == "STOPPED" else "ATTACHED" if self.address else "PRECREATED"
        )
        details = [
            {"name": "subnetId", "value": subnet},
            {"name": "networkInterfaceId", "value": f"eni-{self.id[:17]}"},
        ]
        if self.address:
            details.append({"name": "privateIPv4Address", "value": self.address})
        return {
            "id": self.id,
            "type": "ElasticNetworkInterface",
            "status": attached,
            "details": details,
        }

    def _container(self, container: RunningContainer) -> dict[str, Any]:
        path = f"{self.cluster}/{self.id}/{container.name}"
        answer = {
            "containerArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:container/{path}",
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
            "networkInterfaces": [{"attachmentId": self.id, "privateIpv4Address": self.address}]
            if self.address
            else [],
            "cpu": str(container.definition.get("cpu", 0)),
        }
        return {name: value for name, value in answer.items() if value is not None}
