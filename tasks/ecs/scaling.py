"""Application Auto Scaling of an ECS service: its alarms must not scale a drained monolith out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.task import aws_task

__all__ = ["Suspension", "read_minimum", "read_suspension", "write_suspension"]

_DIMENSION: Final = "ecs:service:DesiredCount"


@dataclass(frozen=True)
class Suspension:
    """Which kinds of scaling are suspended."""

    scale_in: bool
    scale_out: bool
    scheduled: bool

    @classmethod
    def all(cls) -> "Suspension":
        """Everything suspended."""
        return cls(scale_in=True, scale_out=True, scheduled=True)

    @classmethod
    def parse(cls, text: str) -> "Suspension":
        """From the result of `str`."""
        values = [part.partition("=")[2] == "1" for part in text.split()]
        return cls(*values)

    @classmethod
    def from_state(cls, state: Mapping[str, bool]) -> "Suspension":
        """From Application Auto Scaling's description."""
        return cls(
            scale_in=state.get("DynamicScalingInSuspended", False),
            scale_out=state.get("DynamicScalingOutSuspended", False),
            scheduled=state.get("ScheduledScalingSuspended", False),
        )

    @property
    def state(self) -> dict[str, bool]:
        """As Application Auto Scaling takes it."""
        return {
            "DynamicScalingInSuspended": self.scale_in,
            "DynamicScalingOutSuspended": self.scale_out,
            "ScheduledScalingSuspended": self.scheduled,
        }

    def __str__(self) -> str:
        """In characters that an ECS tag may have."""
        return f"in={self.scale_in:d} out={self.scale_out:d} scheduled={self.scheduled:d}"


def _resource(cluster_arn: str, service: str) -> str:
    """A service's id in Application Auto Scaling."""
    cluster = cluster_arn.rpartition("/")[2]
    return f"service/{cluster}/{service}"


def read_suspension(aws: AwsConfig, cluster_arn: str, service: str) -> Suspension | None:
    """
    Read what is suspended of a service's scaling; None when it has no autoscaling.

    Source: Application Auto Scaling DescribeScalableTargets.
    """
    found: Any = client(aws, "application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs",
        ResourceIds=[_resource(cluster_arn, service)],
        ScalableDimension=_DIMENSION,
    )
    for target in found["ScalableTargets"]:
        return Suspension.from_state(target.get("SuspendedState") or {})
    return None


def read_minimum(aws: AwsConfig, cluster_arn: str, service: str) -> int | None:
    """
    Read to how many tasks a service may be scaled in; None when it has no autoscaling.

    Source: Application Auto Scaling DescribeScalableTargets.
    """
    found: Any = client(aws, "application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs",
        ResourceIds=[_resource(cluster_arn, service)],
        ScalableDimension=_DIMENSION,
    )
    for target in found["ScalableTargets"]:
        return int(target["MinCapacity"])
    return None


@aws_task("suspend scaling of {service}: {wanted}")
def write_suspension(aws: AwsConfig, cluster_arn: str, service: str, wanted: Suspension) -> None:
    """
    Suspend or resume a service's scaling; its bounds and policies stay.

    Source: Application Auto Scaling RegisterScalableTarget.
    """
    client(aws, "application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=_resource(cluster_arn, service),
        ScalableDimension=_DIMENSION,
        SuspendedState=wanted.state,  # type: ignore[arg-type]
    )
