"""ELBv2 target groups: the service's own, and how healthy its targets are."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.change import Change, Conflict, Create, Update, compare_fields, refuse_conflict
from tasks.aws.clients import client
from tasks.aws.tags import Owner, tag_dict, tag_list
from tasks.aws.task import aws_task

__all__ = [
    "TargetGroup",
    "compare_target_group",
    "delete_target_group",
    "desired_target_group",
    "ensure_target_group",
    "read_target_group",
    "read_target_health",
]

_DELAY: Final = "deregistration_delay.timeout_seconds"
_FIXED: Final = ("Protocol", "Port", "VpcId", "TargetType")


@dataclass(frozen=True)
class TargetGroup:
    """What the target group must be, in ELBv2's words."""

    name: str
    fields: dict[str, Any]
    owner: Owner


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
    attributes = elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    tags = elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    delay = next((item["Value"] for item in attributes if item["Key"] == _DELAY), None)
    return {**found, _DELAY: delay, "Tags": tag_dict(tags)}


def compare_target_group(desired: TargetGroup, observed: dict[str, Any] | None) -> Change:
    """What has to happen to the target group."""
    if observed is None:
        return Create()
    conflict = desired.owner.conflict("target group", desired.name, observed["Tags"])
    if conflict:
        return conflict
    change = compare_fields(desired.fields, observed)
    stuck = [name for name in _FIXED if isinstance(change, Update) and name in change.fields]
    if stuck and isinstance(change, Update):
        before, after = change.fields[stuck[0]]
        return Conflict(
            f"target group {desired.name}: {stuck[0]} is {before} and ELBv2 cannot change it to "
            f"{after}; "
            f"keep it as it is, or give the service another name"
        )
    return change


@aws_task("ensure target group {desired.name}")
def ensure_target_group(aws: AwsConfig, desired: TargetGroup) -> str:
    """
    Create the target group, or bring the one that is there into line.

    Returns:
        The target group ARN.

    Source: ELBv2 CreateTargetGroup, ModifyTargetGroup, ModifyTargetGroupAttributes, AddTags.
    """
    elb = client(aws, "elbv2")
    observed = read_target_group(aws, desired.name)
    change = compare_target_group(desired, observed)
    refuse_conflict(change)
    settings = {
        name: value for name, value in desired.fields.items() if name not in (_DELAY, "Tags")
    }
    delay: Any = [{"Key": _DELAY, "Value": desired.fields[_DELAY]}]
    if observed is None:
        made = elb.create_target_group(
            Name=desired.name, Tags=tag_list(desired.owner.tags), **settings
        )
        arn = made["TargetGroups"][0]["TargetGroupArn"]
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=delay)
        return arn
    arn = str(observed["TargetGroupArn"])
    if isinstance(change, Update):
        changeable = {name: value for name, value in settings.items() if name not in _FIXED}
        if set(changeable) & set(change.fields):
            elb.modify_target_group(TargetGroupArn=arn, **changeable)
        if _DELAY in change.fields:
            elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=delay)
        if "Tags" in change.fields:
            elb.add_tags(
                ResourceArns=[arn], Tags=tag_list(desired.owner.tags_over(observed["Tags"]))
            )
    return arn


@aws_task("delete target group {name}")
def delete_target_group(aws: AwsConfig, name: str, owner: Owner) -> None:
    """
    Delete the target group, if it is there and the owner made it; ELBv2 refuses while a rule names
    it.

    Source: ELBv2 DeleteTargetGroup.
    """
    observed = read_target_group(aws, name)
    if observed is not None and owner.made(observed["Tags"]):
        client(aws, "elbv2").delete_target_group(TargetGroupArn=observed["TargetGroupArn"])


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
        states = (
            ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
            or "no targets"
        )
        return f"{states} ({'; '.join(self.reasons)})" if self.reasons else states


def read_target_health(aws: AwsConfig, target_group_arn: str) -> TargetHealth:
    """
    The health of a group's targets.

    Source: ELBv2 DescribeTargetHealth.
    """
    found = client(aws, "elbv2").describe_target_health(TargetGroupArn=target_group_arn)
    health = [item["TargetHealth"] for item in found["TargetHealthDescriptions"]]
    states = Counter(str(item.get("State", "unknown")) for item in health)
    reasons = sorted(
        {
            f"{item['Reason']}: {item.get('Description', '')}"
            for item in health
            if item.get("Reason")
        }
    )
    return TargetHealth(healthy=states["healthy"], states=dict(states), reasons=tuple(reasons))
