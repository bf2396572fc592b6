"""Listeners and load balancers: finding the one that the config means."""

from collections.abc import Sequence
from typing import Any, Final

from config.aws import AwsConfig
from config.errors import PreflightFailed
from config.split import ListenerConfig
from tasks.aws.clients import client

__all__ = [
    "choose_listener",
    "choose_target_group",
    "read_idle_timeout",
    "read_listeners",
    "read_load_balancer",
]

_IDLE_TIMEOUT: Final = "idle_timeout.timeout_seconds"


def read_load_balancer(aws: AwsConfig, wanted: str | None, target_group_arn: str) -> Any:
    """
    Describe the Application Load Balancer of a split.

    Args:
        aws: Where AWS is.
        wanted: Its name or ARN; None for the only one that uses the target group.
        target_group_arn: The monolith's target group.

    Raises:
        PreflightFailed: It does not exist, is one of several, or is of another kind.

    Source: ELBv2 DescribeLoadBalancers, DescribeTargetGroups.
    """
    balancer = _read_named(aws, wanted) if wanted else _read_only_one(aws, target_group_arn)
    if balancer["Type"] != "application":
        raise PreflightFailed(
            f"listener.load_balancer: {balancer['LoadBalancerName']} is a {balancer['Type']} load "
            "balancer; only an application load balancer can route paths"
        )
    return balancer


def _read_named(aws: AwsConfig, wanted: str) -> Any:
    """The load balancer with a name or ARN."""
    elb = client(aws, "elbv2")
    try:
        if wanted.startswith("arn:"):
            found = elb.describe_load_balancers(LoadBalancerArns=[wanted])
        else:
            found = elb.describe_load_balancers(Names=[wanted])
        return found["LoadBalancers"][0]
    except elb.exceptions.LoadBalancerNotFoundException:
        raise PreflightFailed(
            f"listener.load_balancer: {wanted} does not exist in {aws.region}; "
            "`aws elbv2 describe-load-balancers` lists them"
        ) from None


def _read_only_one(aws: AwsConfig, target_group_arn: str) -> Any:
    """The only load balancer that uses a target group."""
    elb = client(aws, "elbv2")
    found = elb.describe_target_groups(TargetGroupArns=[target_group_arn])
    group = found["TargetGroups"][0]
    arns = sorted(set(group["LoadBalancerArns"]))
    if len(arns) != 1:
        names = ", ".join(arns) or "none"
        raise PreflightFailed(
            f"listener.load_balancer: target group {group['TargetGroupName']} is used by "
            f"{len(arns)} load balancers ({names}); name the one to work on"
        )
    balancers = elb.describe_load_balancers(LoadBalancerArns=arns)
    return balancers["LoadBalancers"][0]


def read_listeners(aws: AwsConfig, load_balancer_arn: str) -> list[Any]:
    """
    Describe a load balancer's listeners.

    Source: ELBv2 DescribeListeners.
    """
    paginator = client(aws, "elbv2").get_paginator("describe_listeners")
    pages = paginator.paginate(LoadBalancerArn=load_balancer_arn)
    return list(pages.build_full_result()["Listeners"])


def read_idle_timeout(aws: AwsConfig, load_balancer_arn: str) -> int:
    """
    Read how many seconds a load balancer keeps an idle connection.

    Source: ELBv2 DescribeLoadBalancerAttributes.
    """
    elb = client(aws, "elbv2")
    found = elb.describe_load_balancer_attributes(LoadBalancerArn=load_balancer_arn)
    attributes = {one["Key"]: one["Value"] for one in found["Attributes"]}
    return int(attributes[_IDLE_TIMEOUT])


def choose_listener(config: ListenerConfig, balancer: Any, listeners: list[Any]) -> Any:
    """
    Choose the configured listener of a load balancer.

    Args:
        config: The listener section of the config.
        balancer: ELBv2's description of the load balancer.
        listeners: ELBv2's descriptions of its listeners.

    Raises:
        PreflightFailed: None, or more than one, is meant.
    """
    chosen = listeners
    if config.port:
        chosen = [listener for listener in listeners if listener["Port"] == config.port]
    if len(chosen) != 1:
        wanted = config.port or "not given"
        ports = ", ".join(str(listener["Port"]) for listener in listeners) or "none"
        raise PreflightFailed(
            f"listener.port: {wanted}, and load balancer {balancer['LoadBalancerName']} listens "
            f"on {ports}; name one of them"
        )
    return chosen[0]


def choose_target_group(
    aws: AwsConfig, groups: Sequence[Any], name: str, load_balancer: str | None
) -> Any:
    """
    Choose the only one of a service's target groups that the load balancer of the split uses.

    Args:
        aws: Where AWS is.
        groups: ECS's descriptions, with `targetGroupArn`.
        name: Of the service.
        load_balancer: Name or ARN; None for any application load balancer.

    Raises:
        PreflightFailed: None or several are used by it.

    Source: ELBv2 DescribeTargetGroups.
    """
    arns = [group["targetGroupArn"] for group in groups]
    found = client(aws, "elbv2").describe_target_groups(TargetGroupArns=arns)["TargetGroups"]
    balancers = {group["TargetGroupArn"]: group["LoadBalancerArns"] for group in found}
    used = [arn for arn in arns if _is_used(balancers.get(arn, []), load_balancer)]
    if len(used) == 1:
        return groups[arns.index(used[0])]
    remedy = "name the load balancer whose paths are split in listener.load_balancer"
    if load_balancer:
        remedy = (
            f"listener.load_balancer is {load_balancer}, which uses {len(used)} of them: name one "
            "that uses exactly one"
        )
    places = [f"{_name_in(arn)} on {_names_in(balancers.get(arn, []))}" for arn in arns]
    raise PreflightFailed(
        f"monolith.service: {name} is behind several target groups ({'; '.join(places)}), and it "
        f"is not known which one's requests are to be moved; {remedy}"
    )


def _is_used(balancer_arns: Sequence[str], wanted: str | None) -> bool:
    """Whether a target group is used by the wanted load balancer."""
    return any(_is_meant(arn, wanted) for arn in balancer_arns)


def _is_meant(balancer_arn: str, wanted: str | None) -> bool:
    """Whether a load balancer is the wanted one; any application load balancer when none is."""
    if wanted is None:
        return ":loadbalancer/app/" in balancer_arn
    return wanted in (balancer_arn, _name_in(balancer_arn))


def _name_in(arn: str) -> str:
    """From `arn:…:targetgroup/NAME/ID` or `arn:…:loadbalancer/app/NAME/ID`."""
    parts = arn.split("/")
    return parts[-2] if len(parts) > 2 else arn


def _names_in(arns: Sequence[str]) -> str:
    names = map(_name_in, arns)
    return ", ".join(names) or "no load balancer"
