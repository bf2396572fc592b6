"""ELBv2 target groups and their targets: requests that AWS refuses."""

import ipaddress
import re
from typing import Any

from sandbox.api.errors import AwsError
from sandbox.api.internal import internal_client

__all__ = ["check_target_group", "check_target_group_change", "check_targets"]


def check_target_group(_endpoint_url: str, parameters: dict[str, Any]) -> None:
    """Source: CreateTargetGroup."""
    path = parameters.get("HealthCheckPath", "/")
    if not path.startswith("/"):
        raise AwsError(
            "ValidationError", f"Health check path '{path}' must begin with a '/' character"
        )
    for code in re.findall(r"\d+", parameters.get("Matcher", {}).get("HttpCode", "")):
        if not 200 <= int(code) <= 499:
            raise AwsError(
                "ValidationError",
                f"Health check matcher HTTP code '{code}' must be within '200-499' inclusive",
            )


def check_target_group_change(endpoint_url: str, parameters: dict[str, Any]) -> None:
    """Source: ModifyTargetGroup."""
    check_target_group(endpoint_url, parameters)
    elb = internal_client(endpoint_url, "elbv2")
    try:
        found = elb.describe_target_groups(TargetGroupArns=[parameters["TargetGroupArn"]])
    except elb.exceptions.TargetGroupNotFoundException:
        return
    after = found["TargetGroups"][0] | parameters
    timeout, interval = after["HealthCheckTimeoutSeconds"], after["HealthCheckIntervalSeconds"]
    if timeout >= interval:
        raise AwsError(
            "ValidationError",
            f"Health check timeout '{timeout}' must be smaller than the interval '{interval}'",
        )


def check_targets(endpoint_url: str, parameters: dict[str, Any]) -> None:
    """Source: RegisterTargets. Addresses outside the VPC are accepted: a Docker engine's are."""
    elb = internal_client(endpoint_url, "elbv2")
    arn = parameters["TargetGroupArn"]
    try:
        group = elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]
    except elb.exceptions.TargetGroupNotFoundException:
        return
    if group["TargetType"] == "ip":
        for target in parameters["Targets"]:
            _check_address(target["Id"])


def _check_address(address: str) -> None:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        raise AwsError(
            "ValidationError", f"The IP address '{address}' is not a valid IPv4 address"
        ) from None
