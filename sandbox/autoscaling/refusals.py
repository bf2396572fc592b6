"""Application Auto Scaling: requests that AWS refuses, and where moto's answers differ."""

from collections.abc import Callable
from typing import Any, Final

from moto.applicationautoscaling.models import ApplicationAutoscalingBackend

from sandbox.api.call import Call
from sandbox.api.errors import AwsError
from sandbox.api.internal import internal_client
from sandbox.api.moto_patches import MotoPatches

__all__ = ["patch_moto", "refuse"]

_NEEDS_TARGET: Final = {
    "DeleteScalingPolicy": "found",
    "DeregisterScalableTarget": "found",
    "PutScalingPolicy": "registered",
    "PutScheduledAction": "registered",
}


def refuse(endpoint_url: str, call: Call) -> None:
    """
    Refuse targets that do not exist, and policies where no target is registered.

    Source: RegisterScalableTarget, PutScalingPolicy, DeregisterScalableTarget.
    """
    if call.action == "RegisterScalableTarget":
        _check_capacity(endpoint_url, call.parameters)
        if call.parameters.get("ServiceNamespace") == "ecs":
            _check_service(endpoint_url, call.parameters["ResourceId"])
    elif call.action in _NEEDS_TARGET and not _target(endpoint_url, call.parameters):
        raise _no_target(_NEEDS_TARGET[call.action], call.parameters)


def _no_target(verb: str, parameters: dict[str, Any]) -> AwsError:
    return AwsError(
        "ObjectNotFoundException",
        f"No scalable target {verb} for service namespace: {parameters.get('ServiceNamespace')}, "
        f"resource ID: {parameters.get('ResourceId')}, "
        f"scalable dimension: {parameters.get('ScalableDimension')}",
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
    if kind != "service" or not service or not _exists(endpoint_url, cluster, service):
        raise AwsError("ValidationException", f"ECS service doesn't exist: {resource_id}")


def _exists(endpoint_url: str, cluster: str, service: str) -> bool:
    ecs = internal_client(endpoint_url, "ecs")
    try:
        found = ecs.describe_services(cluster=cluster, services=[service])["services"]
    except ecs.exceptions.ClusterNotFoundException:
        return False
    return any(one["status"] != "INACTIVE" for one in found)


def patch_moto(patches: MotoPatches) -> None:
    """Leave the check of services to `refuse`, and delete a target's policies with the target."""
    backend = ApplicationAutoscalingBackend
    # moto would check its own ECS services, but the sandbox keeps services elsewhere.
    patches.replace(backend, "_ecs_service_exists_for_target", lambda *_: True)
    patches.replace(backend, "deregister_scalable_target", _deregister)


def _deregister(
    moto: Callable[..., None], backend: Any, namespace: str, r_id: str, dimension: str
) -> None:
    """Delete the policies of a deregistered target; moto keeps them and their alarms."""
    target = namespace, r_id, dimension
    moto(backend, *target)
    for policy in list(backend.policies.values()):
        owner = policy.service_namespace, policy.resource_id, policy.scalable_dimension
        if owner == target:
            backend.delete_scaling_policy(policy.policy_name, *target)
