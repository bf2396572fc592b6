"""Service Quotas: AWS's default values of the quotas that concern a split."""

from typing import Any, Final, NamedTuple

from sandbox.api.call import Call
from sandbox.api.errors import AwsError
from sandbox.api.internal import ACCOUNT, REGION

__all__ = ["answer"]


class _Quota(NamedTuple):
    code: str
    name: str
    value: float
    adjustable: bool
    is_global: bool = False


_SERVICES: Final = {
    "ecs": "Amazon Elastic Container Service (Amazon ECS)",
    "elasticloadbalancing": "Elastic Load Balancing (ELB)",
    "fargate": "AWS Fargate",
    "iam": "AWS Identity and Access Management (IAM)",
}
# Source: "Quotas for your Application Load Balancers", "Amazon ECS service quotas", "IAM and AWS
# STS quotas".
_QUOTAS: Final = {
    "ecs": (
        _Quota("L-21C621EB", "Clusters per account", 10_000, adjustable=True),
        _Quota("L-9EF96962", "Services per cluster", 5_000, adjustable=True),
    ),
    "elasticloadbalancing": (
        _Quota("L-53DA6B97", "Application Load Balancers per Region", 50, adjustable=True),
        _Quota("L-B6DF7632", "Listeners per Application Load Balancer", 50, adjustable=True),
        _Quota("L-7EED9B64", "Rules per Application Load Balancer", 100, adjustable=True),
        _Quota("L-822D1B1B", "Target Groups per Application Load Balancer", 100, adjustable=False),
        _Quota("L-B22855CB", "Target Groups per Region", 3_000, adjustable=True),
        _Quota("L-7E6692B2", "Targets per Application Load Balancer", 1_000, adjustable=True),
        _Quota("L-A0D0B863", "Targets per Target Group per Region", 1_000, adjustable=True),
    ),
    "fargate": (
        _Quota("L-3032A538", "Fargate On-Demand vCPU resource count", 4_000, adjustable=True),
    ),
    "iam": (_Quota("L-FE177D64", "Roles per account", 1_000, adjustable=True, is_global=True),),
}


def answer(call: Call) -> dict[str, Any] | None:
    """Answer the reading actions. No quota has been raised: each applied value is the default."""
    if call.action == "ListServices":
        return {"Services": _list_services()}
    service = call.parameters.get("ServiceCode")
    if service not in _QUOTAS:
        return None
    quotas = [_describe(service, quota) for quota in _QUOTAS[service]]
    match call.action:
        case "GetServiceQuota" | "GetAWSDefaultServiceQuota":
            return {"Quota": _find(quotas, call.parameters["QuotaCode"])}
        case "ListServiceQuotas" | "ListAWSDefaultServiceQuotas":
            return {"Quotas": quotas}
        case _:
            return None


def _list_services() -> list[dict[str, str]]:
    return [{"ServiceCode": code, "ServiceName": name} for code, name in _SERVICES.items()]


def _find(quotas: list[dict[str, Any]], code: str) -> dict[str, Any]:
    for quota in quotas:
        if quota["QuotaCode"] == code:
            return quota
    raise AwsError("NoSuchResourceException", f"The quota {code} does not exist in this service.")


def _describe(service: str, quota: _Quota) -> dict[str, Any]:
    region = "" if quota.is_global else REGION
    return {
        "ServiceCode": service,
        "ServiceName": _SERVICES[service],
        "QuotaArn": f"arn:aws:servicequotas:{region}:{ACCOUNT}:{service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": float(quota.value),
        "Unit": "None",
        "Adjustable": quota.adjustable,
        "GlobalQuota": quota.is_global,
    }
