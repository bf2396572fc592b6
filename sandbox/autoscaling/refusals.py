"""Application Auto Scaling."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from moto.applicationautoscaling.models import ApplicationAutoscalingBackend

from sandbox.api.call import Call
from sandbox.api.internal import internal_client
from sandbox.api.replace import replace
from sandbox.api.server import AwsError

__all__ = ["patch", "refuse"]

_NEEDS_TARGET: Final = {
    "DeleteScalingPolicy": "found",
    "DeregisterScalableTarget": "found",
    "PutScalingPolicy": "registered",
    "PutScheduledAction": "registered",
}


def refuse(endpoint_url: str, call: Call) -> None:
    """
    Refuse a target that does not exist, and what needs one where none is registered.

    Source: RegisterScalableTarget, PutScalingPolicy, DeregisterScalableTarget.
    """
    if call.action == "RegisterScalableTarget":
        _check_capacity(endpoint_url, call.parameters)
        if call.parameters.get("ServiceNamespace") == "ecs":
            _check_service(endpoint_url, call.parameters["ResourceId"])
    elif call.action in _NEEDS_TARGET and not _target(endpoint_url, call.parameters):
        raise AwsError(
            "ObjectNotFoundException",
            f"No scalable target {_NEEDS_TARGET[call.action]} for service namespace: "
            f"{call.parameters.get('ServiceNamespace')}, resource ID: "
            f"{call.parameters.get('ResourceId')}, "
            f"scalable dimension: {call.parameters.get('ScalableDimension')}",
        )


def _target(endpoint_url: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
    found = internal_client(endpoint_url, "application-autoscaling").describe_scalable_targets(
        ServiceNamespace=parameters["ServiceNamespace"],
        ResourceIds=[parameters["ResourceId"]],
        ScalableDimension=parameters["ScalableDimension"],
    )
    return next(iter(found["ScalableTargets"]), None)


def _check_capacity(endpoint_url: str, parameters: dict[str, Any]) -> None:
    bounds = ("MinCapacity", "MaxCapacity")
    known = _target(endpoint_url, parameters)
    if known is None and not all(bound in parameters for bound in bounds):
        raise AwsError(
            "ValidationException",
            "MinCapacity and MaxCapacity are required to register a new scalable target.",
        )
    low, high = (parameters.get(bound, (known or {}).get(bound)) for bound in bounds)
    if low is not None and high is not None and low > high:
        raise AwsError(
            "ValidationException", "Maximum capacity cannot be less than minimum capacity"
        )


def _check_service(endpoint_url: str, resource_id: str) -> None:
    kind, _, rest = resource_id.partition("/")
    cluster, _, service = rest.partition("/")
    ecs = internal_client(endpoint_url, "ecs")
    try:
        found = (
            ecs.describe_services(cluster=cluster, services=[service])["services"]
            if service
            else []
        )
    except ecs.exceptions.ClusterNotFoundException:
        found = []
    if kind != "service" or not any(one["status"] != "INACTIVE" for one in found):
        raise AwsError("ValidationException", f"ECS service doesn't exist: {resource_id}")


@cache
def patch() -> None:
    """Let moto believe `refuse`, and forget a target's policies with the target."""
    # moto would look into its own ECS services, and the sandbox keeps services elsewhere.
    replace(ApplicationAutoscalingBackend, "_ecs_service_exists_for_target", lambda *_: True)
    replace(ApplicationAutoscalingBackend, "deregister_scalable_target", _deregister)


def _deregister(
    moto: Callable[..., None], backend: Any, namespace: str, r_id: str, dimension: str
) -> None:
    """
    AWS deletes the policies of a target that is deregistered; moto keeps them,
    and their alarms.
    """
    moto(backend, namespace, r_id, dimension)
    for policy in list(backend.policies.values()):
        if (policy.service_namespace, policy.resource_id, policy.scalable_dimension) == (
            namespace,
            r_id,
            dimension,
        ):
            backend.delete_scaling_policy(policy.policy_name, namespace, r_id, dimension)
