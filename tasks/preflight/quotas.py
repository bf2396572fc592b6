"""
Quotas: what AWS allows, what is used, and which service is the first that does not fit any more.

Source: "Quotas for your Application Load Balancers", "IAM and AWS STS quotas".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import accumulate
from typing import Any, Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.preflight.finding import Finding

__all__ = ["Limits", "Need", "Usage", "check_quotas", "read_limits", "read_usage"]

_BALANCER_TARGET_GROUPS: Final = "L-822D1B1B"
_BALANCER_RULES: Final = "L-7EED9B64"
_REGION_TARGET_GROUPS: Final = "L-B22855CB"
_DEFAULTS: Final[Mapping[str, int]] = {
    _BALANCER_TARGET_GROUPS: 100,
    _BALANCER_RULES: 100,
    _REGION_TARGET_GROUPS: 3000,
}
_DEFAULT_ROLES: Final = 1000


@dataclass(frozen=True)
class Limits:
    """What AWS allows."""

    balancer_target_groups: int = _DEFAULTS[_BALANCER_TARGET_GROUPS]
    balancer_rules: int = _DEFAULTS[_BALANCER_RULES]
    region_target_groups: int = _DEFAULTS[_REGION_TARGET_GROUPS]
    account_roles: int = _DEFAULT_ROLES


@dataclass(frozen=True)
class Usage:
    """What is used."""

    balancer_target_groups: frozenset[str]
    """ARNs of the target groups that the load balancer's listeners and rules name."""
    balancer_rules: int
    """Rules of all its listeners; default rules do not count."""
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
    """Preview and control rules, which are there while the service is worked on."""
    target_groups: int = 0
    """Target groups that are not made yet."""
    balancer_target_groups: int = 0
    """Target groups that the load balancer does not use yet."""
    roles: int = 0


def read_limits(aws: AwsConfig) -> Limits:
    """
    The quotas in force; AWS's defaults where it does not tell.

    Source: Service Quotas GetServiceQuota; IAM GetAccountSummary.
    """
    return Limits(
        balancer_target_groups=_read_quota(aws, _BALANCER_TARGET_GROUPS),
        balancer_rules=_read_quota(aws, _BALANCER_RULES),
        region_target_groups=_read_quota(aws, _REGION_TARGET_GROUPS),
        account_roles=client(aws, "iam")
        .get_account_summary()["SummaryMap"]
        .get("RolesQuota", _DEFAULT_ROLES),
    )


def _read_quota(aws: AwsConfig, code: str) -> int:
    quotas = client(aws, "service-quotas")
    try:
        found = quotas.get_service_quota(ServiceCode="elasticloadbalancing", QuotaCode=code)[
            "Quota"
        ]
    except (quotas.exceptions.NoSuchResourceException, quotas.exceptions.AccessDeniedException):
        # Not every partition and endpoint has Service Quotas, and few are allowed to read it.
        return _DEFAULTS[code]
    return int(found["Value"])


def read_usage(aws: AwsConfig, load_balancer_arn: str) -> Usage:
    """
    Count what is used.

    Source: ELBv2 DescribeListeners, DescribeRules, DescribeTargetGroups; IAM GetAccountSummary.
    """
    elb = client(aws, "elbv2")
    rules: list[Any] = [
        rule
        for listeners in elb.get_paginator("describe_listeners").paginate(
            LoadBalancerArn=load_balancer_arn
        )
        for listener in listeners["Listeners"]
        for page in elb.get_paginator("describe_rules").paginate(
            ListenerArn=listener["ListenerArn"]
        )
        for rule in page["Rules"]
    ]
    groups = {arn for rule in rules for action in rule["Actions"] for arn in _groups_of(action)}
    pages = elb.get_paginator("describe_target_groups").paginate()
    return Usage(
        balancer_target_groups=frozenset(groups),
        balancer_rules=sum(not rule["IsDefault"] for rule in rules),
        region_target_groups=sum(len(page["TargetGroups"]) for page in pages),
        account_roles=client(aws, "iam").get_account_summary()["SummaryMap"].get("Roles", 0),
    )


def _groups_of(action: Mapping[str, Any]) -> list[str]:
    weighted = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    return [group["TargetGroupArn"] for group in weighted] or [
        action[name] for name in ("TargetGroupArn",) if action.get(name)
    ]


def check_quotas(
    needs: Sequence[Need], limits: Limits, usage: Usage, *, max_parallel: int, left_over: int = 0
) -> list[Finding]:
    """
    The first service that does not fit, for each quota.

    Args:
        needs: What each service adds, in the order in which they are worked on.
        limits: What AWS allows.
        usage: What is used.
        max_parallel: Services that have their private rules at the same time.
        left_over: Rules that an interrupted run left, and that this one will use again or remove.
    """
    private = [need.private_rules for need in needs]
    at_once = [
        sum(nlargest(max_parallel, private[: count + 1])) + 1 for count in range(len(needs))
    ]  # 1: the lock
    lasting = list(accumulate(need.rules for need in needs))
    rules = [kept + passing for kept, passing in zip(lasting, at_once, strict=True)]
    ask = "ask AWS to raise quota"
    checks = (
        (
            "rules on the load balancer, the run's private ones and its lock among them",
            usage.balancer_rules - left_over,
            limits.balancer_rules,
            rules,
            f"{ask} {_BALANCER_RULES}, or lower max_parallel",
        ),
        (
            "target groups on the load balancer",
            len(usage.balancer_target_groups),
            limits.balancer_target_groups,
            list(accumulate(need.balancer_target_groups for need in needs)),
            "AWS does not raise this quota: split behind a second load balancer",
        ),
        (
            "target groups in the region",
            usage.region_target_groups,
            limits.region_target_groups,
            list(accumulate(need.target_groups for need in needs)),
            f"{ask} {_REGION_TARGET_GROUPS}, or delete target groups that nobody uses",
        ),
        (
            "IAM roles in the account",
            usage.account_roles,
            limits.account_roles,
            list(accumulate(need.roles for need in needs)),
            f"{ask} L-FE177D64, or delete roles that nobody uses",
        ),
    )
    return [finding for check in checks for finding in _first_too_many(needs, *check)]


def _first_too_many(
    needs: Sequence[Need], what: str, used: int, limit: int, added: Sequence[int], remedy: str
) -> list[Finding]:
    for need, more in zip(needs, added, strict=True):
        if used + more > limit:
            return [
                Finding(
                    f"{need.where} will not fit: {used} of {limit} {what} are used, "
                    f"and {more} more are needed; {remedy}"
                )
            ]
    return []
