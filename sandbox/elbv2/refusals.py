"""
ELBv2 requests that AWS refuses: load balancers and listeners.

Rules are in rules.py, target groups in target_groups.py, attributes in attributes.py;
answers.py changes moto's own answers.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from sandbox.api.call import Call
from sandbox.api.errors import AwsError
from sandbox.api.internal import internal_client
from sandbox.api.request import check_limits, read_parameters
from sandbox.elbv2 import attributes, conditions, rules, target_groups

__all__ = ["refuse"]

_LB_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_TAGS: Final = 50
_LISTENERS: Final = 50
_DESCRIBED_AT_ONCE: Final = 20


def refuse(endpoint_url: str, call: Call) -> None:
    """
    Refuse what ELBv2 refuses and, as NotImplemented, what the sandbox's load balancer cannot do.

    Source: the ELBv2 API reference; "Quotas for your Application Load Balancers".
    """
    parameters = read_parameters(call)
    check_limits(call, parameters, "ValidationError")
    _check_tags(parameters.get("Tags", []))
    conditions.check_sizes(parameters.get("Conditions", []))
    check = _CHECKS.get(call.action)
    if check:
        check(endpoint_url, parameters)


def _check_tags(tags: list[dict[str, str]]) -> None:
    """Source: ELB user guide, "Tag restrictions"; characters are in the service model."""
    keys = [tag.get("Key", "") for tag in tags]
    if len(keys) > _TAGS:
        raise AwsError("TooManyTags", f"The quota for the number of tags is {_TAGS}")
    if len(set(keys)) < len(keys):
        raise AwsError("DuplicateTagKeys", "Each tag key must be unique")
    for key in keys:
        if key.lower().startswith("aws:"):
            raise AwsError("ValidationError", f"Tag key '{key}' cannot begin with 'aws:'")


def _check_load_balancer(endpoint_url: str, parameters: dict[str, Any]) -> None:
    _check_load_balancer_name(parameters["Name"])
    if parameters.get("Type", "application") != "application":
        raise AwsError(
            "NotImplemented",
            "This sandbox has Application Load Balancers only: use type application",
            501,
        )
    mappings = parameters.get("SubnetMappings", [])
    subnets = parameters.get("Subnets") or [mapping["SubnetId"] for mapping in mappings]
    _check_subnets(endpoint_url, subnets)
    groups = parameters.get("SecurityGroups", [])
    if groups:
        _check_security_groups(endpoint_url, groups)


def _check_load_balancer_name(name: str) -> None:
    if len(name) > 32:
        raise AwsError(
            "ValidationError",
            f"The load balancer name '{name}' cannot be longer than '32' characters",
        )
    if not _LB_NAME.fullmatch(name) or name.startswith("internal-"):
        raise AwsError(
            "ValidationError",
            f"The load balancer name '{name}' can only contain characters that are alphanumeric "
            "characters and hyphens(-), cannot begin or end with a hyphen, and cannot begin with "
            "'internal-'",
        )


def _check_subnets(endpoint_url: str, subnets: list[str]) -> None:
    ec2 = internal_client(endpoint_url, "ec2")
    try:
        found = ec2.describe_subnets(SubnetIds=subnets)["Subnets"] if subnets else []
    except ClientError:
        raise AwsError(
            "SubnetNotFound", f"One of the subnet IDs {subnets} does not exist"
        ) from None
    zones = [subnet["AvailabilityZone"] for subnet in found]
    if len(zones) < 2:
        raise AwsError(
            "ValidationError",
            "At least two subnets in two different Availability Zones must be specified",
        )
    if len(set(zones)) < len(zones):
        raise AwsError(
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        )


def _check_security_groups(endpoint_url: str, groups: list[str]) -> None:
    try:
        internal_client(endpoint_url, "ec2").describe_security_groups(GroupIds=groups)
    except ClientError:
        raise AwsError(
            "InvalidSecurityGroup", f"One of the security groups {groups} does not exist"
        ) from None


def _check_deletion_protection(endpoint_url: str, parameters: dict[str, Any]) -> None:
    arn = parameters["LoadBalancerArn"]
    elb = internal_client(endpoint_url, "elbv2")
    try:
        attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    except elb.exceptions.LoadBalancerNotFoundException:
        return  # "If the load balancer does not exist, the call succeeds."
    if {"Key": "deletion_protection.enabled", "Value": "true"} in attributes:
        raise AwsError(
            "OperationNotPermitted",
            f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
        )


def _check_new_listener(endpoint_url: str, parameters: dict[str, Any]) -> None:
    arn = parameters["LoadBalancerArn"]
    _check_protocol(parameters)
    rules.check_default_actions(endpoint_url, arn, parameters.get("DefaultActions", []))
    ports = {listener["Port"] for listener in rules.read_listeners(endpoint_url, arn)}
    if parameters.get("Port") not in ports and len(ports) >= _LISTENERS:
        raise AwsError(
            "TooManyListeners",
            f"The maximum number of listeners per load balancer '{arn}' is {_LISTENERS}",
        )


def _check_listener_change(endpoint_url: str, parameters: dict[str, Any]) -> None:
    listener_arn = parameters["ListenerArn"]
    arn = rules.load_balancer_of(listener_arn)
    _check_protocol(parameters)
    rules.check_default_actions(endpoint_url, arn, parameters.get("DefaultActions", []))
    port = parameters.get("Port")
    for listener in rules.read_listeners(endpoint_url, arn):
        if listener["Port"] == port and listener["ListenerArn"] != listener_arn:
            raise AwsError("ValidationError", f"Listener port '{port}' is already in use")


def _check_protocol(parameters: dict[str, Any]) -> None:
    if parameters.get("Protocol") == "HTTPS":
        raise AwsError(
            "NotImplemented",
            "This sandbox's load balancer has no TLS: use a listener of protocol HTTP",
            501,
        )


def _check_described_tags(_endpoint_url: str, parameters: dict[str, Any]) -> None:
    arns = parameters.get("ResourceArns", [])
    if len(arns) > _DESCRIBED_AT_ONCE:
        raise AwsError(
            "ValidationError", f"Cannot have more than {_DESCRIBED_AT_ONCE} resources described"
        )


_CHECKS: Final[dict[str, Callable[[str, dict[str, Any]], None]]] = {
    "CreateListener": _check_new_listener,
    "CreateLoadBalancer": _check_load_balancer,
    "CreateRule": rules.check_new_rule,
    "CreateTargetGroup": target_groups.check_target_group,
    "DeleteLoadBalancer": _check_deletion_protection,
    "DeleteRule": rules.check_rule_deletion,
    "DescribeTags": _check_described_tags,
    "ModifyListener": _check_listener_change,
    "ModifyLoadBalancerAttributes": attributes.check_load_balancer_attributes,
    "ModifyRule": rules.check_rule_change,
    "ModifyTargetGroup": target_groups.check_target_group_change,
    "ModifyTargetGroupAttributes": attributes.check_target_group_attributes,
    "RegisterTargets": target_groups.check_targets,
}
