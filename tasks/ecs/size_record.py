"""The monolith's size: recorded in its own tags before it is drained, and restored from there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.aws import AwsConfig
from tasks.autoscaling.scaling import Suspension
from tasks.aws.clients import client
from tasks.aws.tags import CONFIG, tag_list
from tasks.aws.task import aws_task

__all__ = ["SizeRecord", "forget_size", "record_size", "scale_monolith"]

_COUNT: Final = "split:desired-count"
_SCALING: Final = "split:scaling"
_NOT_SCALED: Final = "none"


@dataclass(frozen=True)
class SizeRecord:
    """The size of the monolith before its drain."""

    desired_count: int
    suspension: Suspension | None
    """None when it had no autoscaling."""

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> "SizeRecord | None":
        """From the monolith's tags; None when it was never drained."""
        if _COUNT not in tags:
            return None
        scaling = tags.get(_SCALING, _NOT_SCALED)
        return cls(int(tags[_COUNT]), _parse(scaling))

    @property
    def tags(self) -> dict[str, str]:
        """For the monolith's ECS service."""
        return {
            _COUNT: str(self.desired_count),
            _SCALING: str(self.suspension or _NOT_SCALED),
        }


def _parse(scaling: str) -> Suspension | None:
    """What was suspended, from its tag."""
    if scaling == _NOT_SCALED:
        return None
    return Suspension.parse(scaling)


@aws_task("record size of {service_arn}")
def record_size(aws: AwsConfig, service_arn: str, split: str, record: SizeRecord) -> None:
    """
    Record the size in the service's tags.

    Source: ECS TagResource.
    """
    tags = tag_list({**record.tags, CONFIG: split}, lower=True)
    client(aws, "ecs").tag_resource(resourceArn=service_arn, tags=tags)


@aws_task("forget recorded size of {service_arn}")
def forget_size(aws: AwsConfig, service_arn: str) -> None:
    """
    Remove the record once the size is restored.

    Source: ECS UntagResource.
    """
    client(aws, "ecs").untag_resource(resourceArn=service_arn, tagKeys=[_COUNT, _SCALING, CONFIG])


@aws_task("set desired count of {service} to {count}")
def scale_monolith(aws: AwsConfig, cluster_arn: str, service: str, count: int) -> None:
    """
    Set the desired count.

    Source: ECS UpdateService.
    """
    client(aws, "ecs").update_service(cluster=cluster_arn, service=service, desiredCount=count)
