"""
Quotas: what AWS allows, what is used, and the first service that does not fit any more.

Source: "Quotas for your Application Load Balancers", "IAM and AWS STS quotas".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import accumulate
from typing import Any, Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.elbv2.listener import read_listeners
from tasks.elbv2.target_group import read_target_group_arns
from tasks.preflight.finding import Finding

__all__ = ["Limits", "Need", "Usage", "check_quotas", "read_limits", "read_usage"]

_BALANCER_TARGET_GROUPS: Final = "L-822D1B1B"
_BALANCER_RULES: Final = "L-7EED9B64"
_REGION_TARGET_GROUPS: Final = "L-B22855CB"
_ACCOUNT_ROLES: Final = "L-FE177D64"
_DEFAULTS: Final[Mapping[str, int]] = {
    _BALANCER_TARGET_GROUPS: 100,
    _BALANCER_RULES: 100,
    _REGION_TARGET_GROUPS: 3000,
    _ACCOUNT_ROLES: 1000,
}
_LOCK: Final = 1
"""The run's lock is a rule too."""


@dataclass(frozen=True)
class Limits:
    """What AWS allows."""

    balancer_target_groups: int = _DEFAULTS[_BALANCER_TARGET_GROUPS]
    balancer_rules: int = _DEFAULTS[_BALANCER_RULES]
    region_target_groups: int = _DEFAULTS[_REGION_TARGET_GROUPS]
    account_roles: int = _DEFAULTS[_ACCOUNT_ROLES]


@dataclass(frozen=True)
class Usage:
    """What is used."""

    balancer_target_groups: frozenset[str]
    """ARNs of the target groups that the load balancer's listeners and rules name."""
    balancer_rules: int
    """Rules of all its listeners, without default rules."""
    region_target_groups: int
    account_roles: int


@dataclass(frozen=True)
class Need:
    """What a service will add."""

    where: str
    """Its place in the config, e.g. `services[96] (posts)`."""
    rules: int = 0
    """Path rules, which stay."""
    private_rules: int = 0
    """Preview and control rules, which exist while the service is worked on."""
    target_groups: int = 0
    """Target groups to create."""
    balancer_target_groups: int = 0
    """Target groups that the load balancer does not use yet."""
    roles: int = 0


@dataclass(frozen=True)
class _Quota:
    """One quota, and what the services add to its use, one after the other."""

    what: str
    limit: int
    used: int
    added: Sequence[int]
    remedy: str


def read_limits(aws: AwsConfig) -> Limits:
    """
    Read the quotas in force, or AWS's defaults where they cannot be read.

    Source: Service Quotas GetServiceQuota; IAM GetAccountSummary.
    """
    iam = client(aws, "iam").get_account_summary()["SummaryMap"]
    return Limits(
        balancer_target_groups=_read_quota(aws, _BALANCER_TARGET_GROUPS),
        balancer_rules=_read_quota(aws, _BALANCER_RULES),
        region_target_groups=_read_quota(aws, _REGION_TARGET_GROUPS),
        account_roles=iam.get("RolesQuota", _DEFAULTS[_ACCOUNT_ROLES]),
    )


def _read_quota(aws: AwsConfig, code: str) -> int:
    """
    A quota of Elastic Load Balancing.

    AWS's default where it cannot be read.
    """
    quotas = client(aws, "service-quotas")
    try:
        found = quotas.get_service_quota(ServiceCode="elasticloadbalancing", QuotaCode=code)
    except (quotas.exceptions.NoSuchResourceException, quotas.exceptions.AccessDeniedException):
        # Not every partition and endpoint has Service Quotas, and few users may read it.
        return _DEFAULTS[code]
    return int(found["Quota"]["Value"])


def read_usage(aws: AwsConfig, load_balancer_arn: str) -> Usage:
    """
    Count what is used.

    Source: ELBv2 DescribeListeners, DescribeRules, DescribeTargetGroups; IAM GetAccountSummary.
    """
    rules = _read_rules(aws, load_balancer_arn)
    groups: set[str] = set()
    for rule in rules:
        for action in rule["Actions"]:
            groups |= _groups_of(action)
    iam = client(aws, "iam").get_account_summary()["SummaryMap"]
    return Usage(
        balancer_target_groups=frozenset(groups),
        balancer_rules=sum(not rule["IsDefault"] for rule in rules),
        region_target_groups=len(read_target_group_arns(aws)),
        account_roles=iam.get("Roles", 0),
    )


def _read_rules(aws: AwsConfig, load_balancer_arn: str) -> list[Any]:
    """ELBv2's descriptions of all rules of a load balancer."""
    paginator = client(aws, "elbv2").get_paginator("describe_rules")
    listeners = read_listeners(aws, load_balancer_arn)
    rules: list[Any] = []
    for listener in listeners:
        pages = paginator.paginate(ListenerArn=listener["ListenerArn"])
        rules += pages.build_full_result()["Rules"]
    return rules


def _groups_of(action: Mapping[str, Any]) -> set[str]:
    """ARNs of the target groups that an action names."""
    groups = {action.get("TargetGroupArn", "")}
    config = action.get("ForwardConfig") or {}
    weighted = config.get("TargetGroups") or []
    for group in weighted:
        groups.add(group["TargetGroupArn"])
    return groups - {""}


def check_quotas(
    needs: Sequence[Need], limits: Limits, usage: Usage, *, max_parallel: int, left_over: int = 0
) -> list[Finding]:
    """
    Find the first service that does not fit, for each quota.

    Args:
        needs: What each service adds, in the order in which they are worked on.
        limits: What AWS allows.
        usage: What is used.
        max_parallel: Services that have their preview and control rules at the same time.
        left_over: Rules that an interrupted run left, and that this run uses again or removes.
    """
    quotas = (
        _rules_of_balancer(needs, limits, usage.balancer_rules - left_over, max_parallel),
        _target_groups_of_balancer(needs, limits, usage),
        _target_groups_of_region(needs, limits, usage),
        _roles_of_account(needs, limits, usage),
    )
    findings: list[Finding] = []
    for quota in quotas:
        findings += _first_too_many(needs, quota)
    return findings


def _first_too_many(needs: Sequence[Need], quota: _Quota) -> Iterator[Finding]:
    """The finding for the first service that exceeds a quota."""
    room = quota.limit - quota.used
    for need, added in zip(needs, quota.added, strict=True):
        if added > room:
            yield Finding(
                f"{need.where} will not fit: {quota.used} of {quota.limit} {quota.what} are used, "
                f"and {added} more are needed; {quota.remedy}"
            )
            return


def _totals(numbers: Iterable[int]) -> list[int]:
    """The sum up to each number."""
    return list(accumulate(numbers))


def _rules_of_balancer(
    needs: Sequence[Need], limits: Limits, used: int, max_parallel: int
) -> _Quota:
    """Rules: the lasting ones, and the temporary ones of services worked on at the same time."""
    lasting = _totals(need.rules for need in needs)
    temporary = [need.private_rules for need in needs]
    added = []
    for index, rules in enumerate(lasting):
        at_once = nlargest(max_parallel, temporary[: index + 1])
        added.append(rules + sum(at_once) + _LOCK)
    return _Quota(
        what="rules on the load balancer, preview and control rules and the run's lock included,",
        limit=limits.balancer_rules,
        used=used,
        added=added,
        remedy=f"ask AWS to raise quota {_BALANCER_RULES}, or lower max_parallel",
    )


def _target_groups_of_balancer(needs: Sequence[Need], limits: Limits, usage: Usage) -> _Quota:
    """Target groups that the load balancer uses."""
    return _Quota(
        what="target groups on the load balancer",
        limit=limits.balancer_target_groups,
        used=len(usage.balancer_target_groups),
        added=_totals(need.balancer_target_groups for need in needs),
        remedy="AWS does not raise this quota: split behind a second load balancer",
    )


def _target_groups_of_region(needs: Sequence[Need], limits: Limits, usage: Usage) -> _Quota:
    """Target groups of all load balancers."""
    return _Quota(
        what="target groups in the region",
        limit=limits.region_target_groups,
        used=usage.region_target_groups,
        added=_totals(need.target_groups for need in needs),
        remedy=f"ask AWS to raise quota {_REGION_TARGET_GROUPS}, or delete unused target groups",
    )


def _roles_of_account(needs: Sequence[Need], limits: Limits, usage: Usage) -> _Quota:
    """IAM roles."""
    return _Quota(
        what="IAM roles in the account",
        limit=limits.account_roles,
        used=usage.account_roles,
        added=_totals(need.roles for need in needs),
        remedy=f"ask AWS to raise quota {_ACCOUNT_ROLES}, or delete unused roles",
    )
