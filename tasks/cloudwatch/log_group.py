"""CloudWatch Logs: the service's log group, and the last lines of a container."""

from dataclasses import dataclass
from typing import Any

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.change import Change, Update, refuse_conflict
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import Owner
from tasks.aws.task import aws_task

__all__ = [
    "LogGroup",
    "compare_log_group",
    "delete_log_group",
    "desired_log_group",
    "ensure_log_group",
    "read_last_lines",
    "read_log_group",
    "read_recent_lines",
]


@dataclass(frozen=True)
class LogGroup:
    """The desired log group of one service's containers."""

    name: str
    retention_days: int
    owner: Owner

    @property
    def fields(self) -> dict[str, Any]:
        """The desired settings, as CloudWatch Logs names them."""
        return {"retentionInDays": self.retention_days, "tags": self.owner.tags}


def desired_log_group(service: ServiceConfig, owner: Owner) -> LogGroup:
    """The log group that the task definition names."""
    return LogGroup(name=service.log_group, retention_days=service.log_retention_days, owner=owner)


def read_log_group(aws: AwsConfig, name: str) -> dict[str, Any] | None:
    """
    Describe the log group: its fields, and its `arn`; None when it does not exist.

    Source: CloudWatch Logs DescribeLogGroups, ListTagsForResource.
    """
    found = _find_log_group(aws, name)
    if found is None:
        return None
    # The tagging calls take this ARN; `arn` alone ends in `:*`.
    arn = str(found.get("logGroupArn") or found["arn"].removesuffix(":*"))
    tags = client(aws, "logs").list_tags_for_resource(resourceArn=arn)
    return {
        "retentionInDays": found.get("retentionInDays"),
        "tags": tags.get("tags", {}),
        "arn": arn,
    }


def _find_log_group(aws: AwsConfig, name: str) -> Any:
    """CloudWatch's description of the log group of exactly this name."""
    paginator = client(aws, "logs").get_paginator("describe_log_groups")
    pages = paginator.paginate(logGroupNamePrefix=name)
    for group in pages.build_full_result()["logGroups"]:
        if group["logGroupName"] == name:
            return group
    return None


def compare_log_group(desired: LogGroup, observed: dict[str, Any] | None) -> Change:
    """What has to happen to the log group."""
    return desired.owner.compare("log group", desired.name, desired.fields, observed)


@aws_task("ensure log group {desired.name}")
def ensure_log_group(aws: AwsConfig, desired: LogGroup) -> str:
    """
    Create the log group with its retention, or update the existing one.

    Returns:
        The name of the log group.

    Source: CloudWatch Logs CreateLogGroup, PutRetentionPolicy, TagResource.
    """
    observed = read_log_group(aws, desired.name)
    change = compare_log_group(desired, observed)
    refuse_conflict(change)
    if observed is None:
        _create(aws, desired)
    elif isinstance(change, Update):
        if "retentionInDays" in change.fields:
            _set_retention(aws, desired)
        if "tags" in change.fields:
            _tag(aws, desired, observed)
    return desired.name


def _create(aws: AwsConfig, desired: LogGroup) -> None:
    """Create the log group."""
    client(aws, "logs").create_log_group(
        logGroupName=desired.name,
        tags=desired.owner.tags,
    )
    _set_retention(aws, desired)


def _set_retention(aws: AwsConfig, desired: LogGroup) -> None:
    """Set how many days the logs are kept."""
    client(aws, "logs").put_retention_policy(
        logGroupName=desired.name,
        retentionInDays=desired.retention_days,
    )


def _tag(aws: AwsConfig, desired: LogGroup, observed: dict[str, Any]) -> None:
    """Put the owner's tags on an existing log group."""
    client(aws, "logs").tag_resource(
        resourceArn=observed["arn"],
        tags=desired.owner.tags_over(observed["tags"]),
    )


@aws_task("delete log group {name}")
def delete_log_group(aws: AwsConfig, name: str, owner: Owner) -> None:
    """
    Delete the log group with all its logs if this split made it.

    Source: CloudWatch Logs DeleteLogGroup.
    """
    logs = client(aws, "logs")
    observed = read_log_group(aws, name)
    if observed is None or not owner.made(observed["tags"]):
        return
    try:
        logs.delete_log_group(logGroupName=name)
    except logs.exceptions.ResourceNotFoundException:
        log().info("log group %s was already deleted", name)


def read_last_lines(aws: AwsConfig, group: str, stream: str, limit: int = 10) -> list[str]:
    """
    Read the last lines that a container wrote; empty when it wrote none.

    Source: CloudWatch Logs GetLogEvents.
    """
    logs = client(aws, "logs")
    try:
        found = logs.get_log_events(
            logGroupName=group, logStreamName=stream, limit=limit, startFromHead=False
        )
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in found["events"]]


def read_recent_lines(aws: AwsConfig, group: str, since: float, limit: int = 1000) -> list[str]:
    """
    Read the lines that any container has written since a moment, oldest first.

    Args:
        aws: Where AWS is.
        group: The log group.
        since: Seconds since the epoch.
        limit: At most so many.

    Source: CloudWatch Logs FilterLogEvents.
    """
    logs = client(aws, "logs")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group,
        startTime=int(since * 1000),
        PaginationConfig={"MaxItems": limit},
    )
    try:
        events = pages.build_full_result()["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]
