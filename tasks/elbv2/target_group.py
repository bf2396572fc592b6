"""ELBv2 target groups: the service's own, and the health of its targets."""

from collections import Counter
from collections.abc import Collection
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
    "TargetHealth",
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
    tags = elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    return {**found, _DELAY: _read_delay(aws, arn), "Tags": tag_dict(tags)}


def _read_delay(aws: AwsConfig, arn: str) -> str | None:
    found = client(aws, "elbv2").describe_target_group_attributes(TargetGroupArn=arn)
    attributes = {item["Key"]: item["Value"] for item in found["Attributes"]}
    return attributes.get(_DELAY)


def compare_target_group(desired: TargetGroup, observed: dict[str, Any] | None) -> Change:
    """What has to happen to the target group."""
    if observed is None:
        return Create()
    conflict = desired.owner.conflict("target group", desired.name, observed["Tags"])
    if conflict:
        return conflict
    change = compare_fields(desired.fields, observed)
    return _impossible(desired, change) or change


def _impossible(desired: TargetGroup, change: Change) -> Conflict | None:
    """A conflict where ELBv2 cannot make the change."""
    if not isinstance(change, Update):
        return None
    for field in _FIXED:
        if field in change.fields:
            before, after = change.fields[field]
            return Conflict(
                f"target group {desired.name}: {field} is {before} and ELBv2 cannot change it to "
                f"{after}; keep it as it is, or give the service another name"
            )
    return None


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
    arn = str(observed["TargetGroupArn"])
    if isinstance(change, Update):
        _update(aws, arn, desired, change.fields)
        if "Tags" in change.fields:
            tags = tag_list(desired.owner.tags_over(observed["Tags"]))
            client(aws, "elbv2").add_tags(ResourceArns=[arn], Tags=tags)
    return arn


def _create(aws: AwsConfig, desired: TargetGroup) -> str:
    made = client(aws, "elbv2").create_target_group(
        Name=desired.name, Tags=tag_list(desired.owner.tags), **desired.settings
    )
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    _set_delay(aws, arn, desired)
    return arn


def _update(aws: AwsConfig, arn: str, desired: TargetGroup, changed: Collection[str]) -> None:
    settings = desired.changeable
    if not settings.keys().isdisjoint(changed):
        client(aws, "elbv2").modify_target_group(TargetGroupArn=arn, **settings)
    if _DELAY in changed:
        _set_delay(aws, arn, desired)


def _set_delay(aws: AwsConfig, arn: str, desired: TargetGroup) -> None:
    delay: Any = {"Key": _DELAY, "Value": desired.fields[_DELAY]}
    client(aws, "elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])


@aws_task("delete target group {name}")
def delete_target_group(aws: AwsConfig, name: str, owner: Owner) -> None:
    """
    Delete the target group if this split made it; ELBv2 refuses while a rule uses it.

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
        counts = [f"{count} {state}" for state, count in sorted(self.states.items())]
        states = ", ".join(counts) or "no targets"
        return f"{states} ({'; '.join(self.reasons)})" if self.reasons else states


def read_target_health(aws: AwsConfig, target_group_arn: str) -> TargetHealth:
    """
    Read the health of a group's targets.

    Source: ELBv2 DescribeTargetHealth.
    """
    found = client(aws, "elbv2").describe_target_health(TargetGroupArn=target_group_arn)
    health = [item["TargetHealth"] for item in found["TargetHealthDescriptions"]]
    states = Counter(str(item.get("State", "unknown")) for item in health)
    return TargetHealth(
        healthy=states["healthy"],
        states=dict(states),
        reasons=tuple(sorted({_reason(item) for item in health if item.get("Reason")})),
    )


def _reason(health: Any) -> str:
    return f"{health['Reason']}: {health.get('Description', '')}"
