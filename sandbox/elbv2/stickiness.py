"""
Stickiness of target groups and of the rules that forward to several of them.

A rule that forwards to several groups, one of which is sticky, must keep each client on its group
as well. Source: the error quoted in aws-load-balancer-controller #2734, and public reports of ECS
blue/green deployments.
"""

from collections.abc import Iterator
from typing import Any, Final

from sandbox.api.errors import AwsError
from sandbox.api.internal import internal_client

__all__ = ["check_forward", "check_rules_of", "read_attributes"]

_SECONDS: Final = range(1, 604_800 + 1)
_PAGE: Final = 400


def check_forward(endpoint_url: str, action: dict[str, Any]) -> None:
    """
    Refuse a forward action whose own stickiness does not suit that of its target groups.

    Source: CreateRule, ModifyRule, CreateListener, ModifyListener; TargetGroupStickinessConfig.
    """
    _check_duration(action)
    if not _lacks_stickiness(action):
        return
    for group in _groups(action):
        if _is_sticky(endpoint_url, group):
            raise _refused(
                "You must enable group stickiness on a rule if you enabled target stickiness on "
                "one of its target groups"
            )


def check_rules_of(endpoint_url: str, target_group_arn: str) -> None:
    """
    Refuse stickiness of a group that a rule without stickiness shares between several groups.

    Source: ModifyTargetGroupAttributes.
    """
    for rule in _read_rules(endpoint_url, target_group_arn):
        for action in rule["Actions"]:
            if _lacks_stickiness(action) and target_group_arn in _groups(action):
                raise _refused(
                    "This target group appears behind a rule with group stickiness disabled "
                    f"({rule['RuleArn']}). You must enable group stickiness before enabling target "
                    "stickiness"
                )


def read_attributes(endpoint_url: str, target_group_arn: str) -> dict[str, str]:
    """The attributes of a target group; none when there is no such group, which moto refuses."""
    elb = internal_client(endpoint_url, "elbv2")
    try:
        found = elb.describe_target_group_attributes(TargetGroupArn=target_group_arn)
    except elb.exceptions.TargetGroupNotFoundException:
        return {}
    return {one["Key"]: one["Value"] for one in found["Attributes"]}


def _check_duration(action: dict[str, Any]) -> None:
    settings = action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
    seconds = settings.get("DurationSeconds")
    if seconds is None and settings.get("Enabled"):
        raise AwsError(
            "ValidationError",
            "You must specify the duration when enabling target group stickiness",
        )
    if seconds is not None and seconds not in _SECONDS:
        raise AwsError(
            "ValidationError",
            f"Target group stickiness duration '{seconds}' must be between "
            f"'{_SECONDS[0]}-{_SECONDS[-1]}' inclusive",
        )


def _lacks_stickiness(action: dict[str, Any]) -> bool:
    """Whether a client may get another group of the action with each request."""
    settings = action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
    return len(_groups(action)) > 1 and not settings.get("Enabled")


def _groups(action: dict[str, Any]) -> list[str]:
    groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
    return [group["TargetGroupArn"] for group in groups]


def _is_sticky(endpoint_url: str, target_group_arn: str) -> bool:
    attributes = read_attributes(endpoint_url, target_group_arn)
    return attributes.get("stickiness.enabled") == "true"


def _read_rules(endpoint_url: str, target_group_arn: str) -> Iterator[dict[str, Any]]:
    elb = internal_client(endpoint_url, "elbv2")
    try:
        groups = elb.describe_target_groups(TargetGroupArns=[target_group_arn])["TargetGroups"]
    except elb.exceptions.TargetGroupNotFoundException:
        return
    listeners = elb.get_paginator("describe_listeners")
    rules = elb.get_paginator("describe_rules")
    for balancer in groups[0].get("LoadBalancerArns", []):
        for listener in listeners.paginate(LoadBalancerArn=balancer).search("Listeners[]"):
            pages = rules.paginate(ListenerArn=listener["ListenerArn"], PageSize=_PAGE)
            yield from pages.search("Rules[]")


def _refused(reason: str) -> AwsError:
    return AwsError("InvalidConfigurationRequest", reason)
