"""ELBv2 target groups: the service's own, and the health of its targets."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.change import Change, Conflict, Update, refuse_conflict
from tasks.aws.clients import client
from tasks.aws.tags import Owner, tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.tags import read_tags

__all__ = [
    "TargetGroup",
    "TargetHealth",
    "compare_target_group",
    "delete_target_group",
    "desired_target_group",
    "ensure_target_group",
    "read_healthy_targets",
    "read_is_sticky",
    "read_target_group",
    "read_target_group_arns",
    "read_target_health",
]

_DELAY: Final = "deregistration_delay.timeout_seconds"
_STICKY: Final = "stickiness.enabled"
_FIXED: Final = ("Protocol", "Port", "VpcId", "TargetType")


@dataclass(frozen=True)
class TargetGroup:
    """The desired target group."""

    name: str
    fields: dict[str, Any]
    """As ELBv2 names them, with the deregistration delay and the tags among them."""
    owner: Owner

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters of CreateTargetGroup."""
        return {name: self.fields[name] for name in self.fields if name not in (_DELAY, "Tags")}

    @property
    def changeable(self) -> dict[str, Any]:
        """The parameters of ModifyTargetGroup."""
        settings = self.settings
        return {name: settings[name] for name in settings if name not in _FIXED}


def desired_target_group(service: ServiceConfig, owner: Owner, vpc_id: str) -> TargetGroup:
    """The target group of one service."""
    check = service.health_check
    fields = {
        "Protocol": "HTTP",
        "Port": service.port,
        "VpcId": vpc_id,
        "TargetType": "ip",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPath": check.path,
        "HealthCheckIntervalSeconds": check.interval,
        "HealthCheckTimeoutSeconds": check.timeout,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "Matcher": {"HttpCode": check.matcher},
        _DELAY: str(service.deregistration_delay),
        "Tags": owner.tags,
    }
    return TargetGroup(name=service.target_group, fields=fields, owner=owner)


def read_target_group(aws: AwsConfig, name: str) -> dict[str, Any] | None:
    """
    Describe the target group, with its deregistration delay and its `Tags` among the fields.

    Source: ELBv2 DescribeTargetGroups, DescribeTargetGroupAttributes, DescribeTags.
    """
    elb = client(aws, "elbv2")
    try:
        found = elb.describe_target_groups(Names=[name])["TargetGroups"][0]
    except elb.exceptions.TargetGroupNotFoundException:
        return None
    arn = found["TargetGroupArn"]
    tags = read_tags(aws, [arn])[arn]
    return {**found, _DELAY: _read_delay(aws, arn), "Tags": tags}


def read_target_group_arns(aws: AwsConfig) -> list[str]:
    """
    Read the ARNs of all target groups of the region.

    Source: ELBv2 DescribeTargetGroups.
    """
    pages = client(aws, "elbv2").get_paginator("describe_target_groups").paginate()
    found = pages.build_full_result()
    return [group["TargetGroupArn"] for group in found["TargetGroups"]]


def _read_delay(aws: AwsConfig, arn: str) -> str | None:
    """The deregistration delay in seconds."""
    return _read_attributes(aws, arn).get(_DELAY)


def read_is_sticky(aws: AwsConfig, arn: str) -> bool:
    """
    Read whether a target group keeps clients on their target.

    Source: ELBv2 DescribeTargetGroupAttributes.
    """
    return _read_attributes(aws, arn).get(_STICKY) == "true"


def _read_attributes(aws: AwsConfig, arn: str) -> dict[str, str]:
    found = client(aws, "elbv2").describe_target_group_attributes(TargetGroupArn=arn)
    return {attribute["Key"]: attribute["Value"] for attribute in found["Attributes"]}


def compare_target_group(desired: TargetGroup, observed: dict[str, Any] | None) -> Change:
    """What has to happen to the target group."""
    change = desired.owner.compare("target group", desired.name, desired.fields, observed)
    if not isinstance(change, Update):
        return change
    for field in _FIXED:
        if field in change.fields:
            before, after = change.fields[field]
            return Conflict(
                f"target group {desired.name}: {field} is {before} and ELBv2 cannot change it to "
                f"{after}; keep it as it is, or give the service another name"
            )
    return change


@aws_task("ensure target group {desired.name}")
def ensure_target_group(aws: AwsConfig, desired: TargetGroup) -> str:
    """
    Create the target group, or update the existing one.

    Returns:
        The target group ARN.

    Source: ELBv2 CreateTargetGroup, ModifyTargetGroup, ModifyTargetGroupAttributes, AddTags.
    """
    observed = read_target_group(aws, desired.name)
    change = compare_target_group(desired, observed)
    refuse_conflict(change)
    if observed is None:
        return _create(aws, desired)
    if isinstance(change, Update):
        _update(aws, desired, observed, change.fields)
    return str(observed["TargetGroupArn"])


def _create(aws: AwsConfig, desired: TargetGroup) -> str:
    """Create the target group, and return its ARN."""
    made = client(aws, "elbv2").create_target_group(
        Name=desired.name,
        Tags=tag_list(desired.owner.tags),
        **desired.settings,
    )
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    _set_delay(aws, arn, desired)
    return arn


def _update(
    aws: AwsConfig, desired: TargetGroup, observed: dict[str, Any], changed: Collection[str]
) -> None:
    """Update the fields that differ."""
    elb = client(aws, "elbv2")
    arn = observed["TargetGroupArn"]
    settings = desired.changeable
    if any(name in changed for name in settings):
        elb.modify_target_group(TargetGroupArn=arn, **settings)
    if _DELAY in changed:
        _set_delay(aws, arn, desired)
    if "Tags" in changed:
        tags = desired.owner.tags_over(observed["Tags"])
        elb.add_tags(
            ResourceArns=[arn],
            Tags=tag_list(tags),
        )


def _set_delay(aws: AwsConfig, arn: str, desired: TargetGroup) -> None:
    """Set the deregistration delay."""
    delay: Any = {"Key": _DELAY, "Value": desired.fields[_DELAY]}
    client(aws, "elbv2").modify_target_group_attributes(
        TargetGroupArn=arn,
        Attributes=[delay],
    )


@aws_task("delete target group {name}")
def delete_target_group(aws: AwsConfig, name: str, owner: Owner) -> None:
    """
    Delete the target group if this split made it; ELBv2 refuses while a rule uses it.

    Source: ELBv2 DeleteTargetGroup.
    """
    observed = read_target_group(aws, name)
    if observed is None:
        return
    if owner.made(observed["Tags"]):
        arn = observed["TargetGroupArn"]
        client(aws, "elbv2").delete_target_group(TargetGroupArn=arn)


@dataclass(frozen=True)
class TargetHealth:
    """How many targets are in which state, and why the others are not healthy."""

    healthy: int
    states: dict[str, int]
    reasons: tuple[str, ...]

    @property
    def total(self) -> int:
        """All registered targets, draining ones too."""
        return sum(self.states.values())

    def __str__(self) -> str:
        """For example `1 healthy, 1 unhealthy (Target.ResponseCodeMismatch: …)`."""
        reasons = "; ".join(self.reasons)
        return f"{self._counts} ({reasons})" if reasons else self._counts

    @property
    def _counts(self) -> str:
        counts = [f"{self.states[state]} {state}" for state in sorted(self.states)]
        return ", ".join(counts) or "no targets"


def read_target_health(aws: AwsConfig, target_group_arn: str) -> TargetHealth:
    """
    Read the health of a group's targets.

    Source: ELBv2 DescribeTargetHealth.
    """
    found = client(aws, "elbv2").describe_target_health(TargetGroupArn=target_group_arn)
    states: Counter[str] = Counter()
    reasons = set()
    for target in found["TargetHealthDescriptions"]:
        health = target["TargetHealth"]
        states[health.get("State", "unknown")] += 1
        reasons.add(_reason(health))
    return TargetHealth(
        healthy=states["healthy"],
        states=dict(states),
        reasons=tuple(sorted(reasons - {""})),
    )


def _reason(health: Any) -> str:
    """Why a target is not healthy; empty when it is."""
    reason = health.get("Reason")
    if not reason:
        return ""
    description = health.get("Description", "")
    return f"{reason}: {description}"


def read_healthy_targets(aws: AwsConfig, target_group_arn: str) -> list[tuple[str, int]]:
    """
    Read the address and port of a group's healthy targets.

    Source: ELBv2 DescribeTargetHealth.
    """
    found = client(aws, "elbv2").describe_target_health(TargetGroupArn=target_group_arn)
    healthy = []
    for described in found["TargetHealthDescriptions"]:
        target = described["Target"]
        if described["TargetHealth"].get("State") == "healthy":
            healthy.append((target["Id"], target["Port"]))
    return healthy
