"""
Application Auto Scaling of an ECS service: it must neither take tasks away from a monolith that may
get its traffic back, nor scale a drained one out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from config.aws import AwsConfig
from config.errors import ServiceUnhealthy
from tasks.aws.clients import client
from tasks.aws.task import aws_task

__all__ = [
    "Suspension",
    "minimum_command",
    "read_minimum",
    "read_shrinking_actions",
    "read_suspension",
    "write_suspension",
]

_NAMESPACE: Final = "ecs"
_DIMENSION: Final = "ecs:service:DesiredCount"
_NO_SERVICE: Final = "ECS service doesn't exist"


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
    def none(cls) -> "Suspension":
        """Nothing suspended."""
        return cls(scale_in=False, scale_out=False, scheduled=False)

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

    def without_scale_in(self, *, scheduled: bool) -> "Suspension":
        """
        The same with scale-in suspended as well; scale-out stays as it is.

        Args:
            scheduled: Whether scheduled scaling is suspended as well.
        """
        return replace(self, scale_in=True, scheduled=self.scheduled or scheduled)

    @property
    def state(self) -> dict[str, bool]:
        """As Application Auto Scaling takes it."""
        return {
            "DynamicScalingInSuspended": self.scale_in,
            "DynamicScalingOutSuspended": self.scale_out,
            "ScheduledScalingSuspended": self.scheduled,
        }

    def __str__(self) -> str:
        """In characters that a tag may have."""
        return f"in={self.scale_in:d} out={self.scale_out:d} scheduled={self.scheduled:d}"


def _resource(cluster_arn: str, service: str) -> str:
    """A service's id in Application Auto Scaling."""
    cluster = cluster_arn.rpartition("/")[2]
    return f"service/{cluster}/{service}"


def read_suspension(aws: AwsConfig, cluster_arn: str, service: str) -> Suspension | None:
    """
    Read what is suspended of a service's scaling; None when it has no autoscaling.

    Args:
        aws: Where AWS is.
        cluster_arn: Name or ARN of the cluster.
        service: ECS service name.

    Source: Application Auto Scaling DescribeScalableTargets.
    """
    found: Any = client(aws, "application-autoscaling").describe_scalable_targets(
        ServiceNamespace=_NAMESPACE,
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
        ServiceNamespace=_NAMESPACE,
        ResourceIds=[_resource(cluster_arn, service)],
        ScalableDimension=_DIMENSION,
    )
    for target in found["ScalableTargets"]:
        return int(target["MinCapacity"])
    return None


def minimum_command(cluster_arn: str, service: str, minimum: int) -> str:
    """
    The command that sets to how many tasks a service may be scaled in, for a message.

    Args:
        cluster_arn: Name or ARN of the cluster.
        service: ECS service name.
        minimum: Number of tasks.
    """
    return (
        f"aws application-autoscaling register-scalable-target --service-namespace {_NAMESPACE} "
        f"--scalable-dimension {_DIMENSION} --resource-id {_resource(cluster_arn, service)} "
        f"--min-capacity {minimum}"
    )


def read_shrinking_actions(
    aws: AwsConfig, cluster_arn: str, service: str, count: int
) -> tuple[str, ...]:
    """
    Read the names of the scheduled actions that would leave a service fewer tasks.

    An action takes tasks away only through its MaxCapacity; a lower MinCapacity alone removes none.

    Args:
        aws: Where AWS is.
        cluster_arn: Name or ARN of the cluster.
        service: ECS service name.
        count: Number of tasks.

    Source: Application Auto Scaling DescribeScheduledActions.
    """
    autoscaling = client(aws, "application-autoscaling")
    pages = autoscaling.get_paginator("describe_scheduled_actions").paginate(
        ServiceNamespace=_NAMESPACE,
        ResourceId=_resource(cluster_arn, service),
        ScalableDimension=_DIMENSION,
    )
    names = []
    for action in pages.build_full_result()["ScheduledActions"]:
        target: Any = action.get("ScalableTargetAction") or {}
        if target.get("MaxCapacity", count) < count:
            names.append(action["ScheduledActionName"])
    return tuple(names)


@aws_task("suspend scaling of {service}: {wanted}")
def write_suspension(aws: AwsConfig, cluster_arn: str, service: str, wanted: Suspension) -> None:
    """
    Suspend or resume a service's scaling; its bounds and policies stay.

    Raises:
        ServiceUnhealthy: The service was deleted.

    Source: Application Auto Scaling RegisterScalableTarget.
    """
    autoscaling = client(aws, "application-autoscaling")
    try:
        autoscaling.register_scalable_target(
            ServiceNamespace=_NAMESPACE,
            ResourceId=_resource(cluster_arn, service),
            ScalableDimension=_DIMENSION,
            SuspendedState=wanted.state,  # type: ignore[arg-type]
        )
    except autoscaling.exceptions.ValidationException as error:
        if _NO_SERVICE not in str(error):
            raise
        raise ServiceUnhealthy(
            f"ECS service {service} does not exist any more, so its scaling cannot be set to "
            f"{wanted}: somebody deleted it; create it again, then run again"
        ) from None
