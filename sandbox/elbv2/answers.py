"""ELBv2 answers that differ between AWS and moto."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.elb.models import ELBBackend
from moto.elbv2.exceptions import (
    DuplicateListenerError,
    DuplicateLoadBalancerName,
    DuplicateTargetGroupName,
    LoadBalancerNotFoundError,
    TooManyTagsError,
    ValidationError,
)
from moto.elbv2.models import ELBv2Backend, FakeAction, FakeTargetGroup, elbv2_backends
from moto.elbv2.responses import ELBV2Response

from sandbox.api.moto_patches import MotoPatches
from sandbox.elbv2.rules import regexes_of

__all__ = ["patch_moto"]

Moto = Callable[..., Any]

_DIFFERENT: Final = "A {} with the same name '{}' exists, but with different settings"
_PAGE_SIZE: Final = 400
_TAGS: Final = 50
_LIMITS: Final = {
    "application-load-balancers": 50,
    "condition-values-per-alb-rule": 5,
    "condition-wildcards-per-alb-rule": 6,
    "listeners-per-application-load-balancer": 50,
    "rules-per-application-load-balancer": 100,
    "target-groups": 3000,
    "target-groups-per-action-on-application-load-balancer": 5,
    "target-groups-per-application-load-balancer": 100,
    "targets-per-application-load-balancer": 1000,
}


def patch_moto(patches: MotoPatches) -> None:
    """Answer as AWS does."""
    replace = patches.replace
    replace(ELBv2Backend, "create_load_balancer", _create_load_balancer)
    replace(ELBv2Backend, "create_target_group", _create_target_group)
    replace(ELBv2Backend, "create_listener", _create_listener)
    replace(ELBv2Backend, "_validate_conditions", _validate_conditions)
    replace(ELBv2Backend, "describe_load_balancers", _describe_load_balancers)
    replace(ELBv2Backend, "add_tags", _add_tags)
    replace(ELBv2Backend, "describe_tags", _describe_tags)
    replace(ELBv2Backend, "tag_resource", _tag_resource)
    replace(ELBv2Backend, "untag_resource", _untag_resource)
    replace(ELBBackend, "owns_arn", _is_classic)
    replace(FakeTargetGroup, "deregister", _deregister)
    replace(ELBV2Response, "describe_target_groups", partial(_describe_page, "TargetGroups"))
    replace(ELBV2Response, "describe_listeners", partial(_describe_page, "Listeners"))
    replace(ELBV2Response, "describe_account_limits", _describe_account_limits)
    # With a setter, because moto also assigns to it.
    patches.set(
        FakeTargetGroup, "load_balancer_arns", property(_load_balancer_arns, lambda *_: None)
    )


def _validate_conditions(moto: Moto, backend: Any, conditions: list[dict[str, Any]]) -> Any:
    """Accept regular expressions, which moto fails at: rules.py has checked them."""
    plain = [condition for condition in conditions if not regexes_of(condition)]
    return moto(backend, plain)


def _create_load_balancer(moto: Moto, backend: Any, **settings: Any) -> Any:
    """Return an existing one of the same name and settings; moto makes a second one."""
    settings["scheme"] = settings.get("scheme") or "internet-facing"
    known = next(
        (one for one in backend.load_balancers.values() if one.name == settings["name"]), None
    )
    if known is None:
        return moto(backend, **settings)
    wanted = moto(_scratch(backend), **settings)
    same = _load_balancer_settings(wanted) == _load_balancer_settings(known)
    if same and _has_tags(backend, known.arn, settings.get("tags")):
        return known
    raise DuplicateLoadBalancerName(_DIFFERENT.format("load balancer", known.name))


def _load_balancer_settings(balancer: Any) -> tuple[Any, ...]:
    groups, subnets = set(balancer.security_groups), {subnet.id for subnet in balancer.subnets}
    return balancer.scheme, balancer.type, balancer.ip_address_type, groups, subnets


def _create_target_group(moto: Moto, backend: Any, name: str, **settings: Any) -> Any:
    """Return an existing one of the same name and settings; moto refuses it."""
    known = next((one for one in backend.target_groups.values() if one.name == name), None)
    if known is None:
        return moto(backend, name, **settings)
    tags = settings.pop("tags", None)
    wanted = moto(_scratch(backend), name, **settings)
    if _target_group_settings(wanted) == _target_group_settings(known) and _has_tags(
        backend, known.arn, tags
    ):
        return known
    raise DuplicateTargetGroupName(_DIFFERENT.format("target group", name))


def _target_group_settings(group: Any) -> dict[str, str]:
    # Attributes and targets are not part of CreateTargetGroup; numbers come as either type.
    left_out = ("arn", "attributes", "targets", "deregistered_targets", "terminated_targets")
    return {name: str(value) for name, value in vars(group).items() if name not in left_out}


def _create_listener(moto: Moto, backend: Any, **settings: Any) -> Any:
    """Return an existing one of the same port and settings; moto makes a second one."""
    arn = settings["load_balancer_arn"]
    known = _listener_on(backend.load_balancers.get(arn), settings["port"])
    if known is None:
        return moto(backend, **settings)
    actions = [action.data for action in known.default_actions]
    wanted = [FakeAction(deepcopy(action)).data for action in settings["actions"]]
    same = (known.protocol, actions) == (settings["protocol"], wanted)
    if same and _has_tags(backend, known.arn, settings.get("tags")):
        return known
    raise DuplicateListenerError(
        f"A listener already exists on this port for this load balancer '{arn}'"
    )


def _listener_on(load_balancer: Any, port: Any) -> Any:
    listeners = load_balancer.listeners.values() if load_balancer else ()
    return next((one for one in listeners if str(one.port) == str(port)), None)


def _scratch(backend: Any) -> Any:
    """Another backend, in which moto fills in the defaults of a request."""
    return ELBv2Backend(backend.region_name, backend.account_id)


def _has_tags(backend: Any, arn: str, tags: list[dict[str, str]] | None) -> bool:
    wanted = {tag["Key"]: tag.get("Value", "") for tag in tags or []}
    return bool(backend.tagging_service.get_tag_dict_for_resource(arn) == wanted)


def _load_balancer_arns(group: Any) -> list[str]:
    """
    The load balancers that use the group now.

    moto adds one for each rule that is created, and removes none when a rule is modified or
    deleted.
    """
    backend = elbv2_backends[group.account_id][group.region_name]
    balancers = list(backend.load_balancers.values())
    return [balancer.arn for balancer in balancers if group.arn in _groups_of_balancer(balancer)]


def _groups_of_balancer(balancer: Any) -> set[str]:
    found: set[str] = set()
    for listener in list(balancer.listeners.values()):
        for rule in listener.rules.values():
            for action in rule.actions:
                found |= _groups_of_action(action.data)
    return found


def _groups_of_action(action: dict[str, Any]) -> set[str]:
    groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
    return {one["TargetGroupArn"] for one in (action, *groups) if "TargetGroupArn" in one}


def _deregister(_moto: Moto, group: Any, targets: list[dict[str, Any]]) -> None:
    """Accept a target that is not registered."""
    for target in targets:
        if known := group.targets.pop(target["Id"], None):
            group.deregistered_targets[target["Id"]] = known


def _describe_load_balancers(
    moto: Moto, backend: Any, arns: list[str] | None, names: list[str] | None
) -> Any:
    """Refuse an unknown name or ARN among known ones; moto leaves it out."""
    known = {balancer.name for balancer in backend.load_balancers.values()}
    if not set(names or []) <= known or not set(arns or []) <= set(backend.load_balancers):
        raise LoadBalancerNotFoundError("One or more load balancers not found")
    return moto(backend, arns, names)


def _add_tags(
    _moto: Moto, backend: Any, resource_arns: list[str], tags: list[dict[str, str]]
) -> None:
    """
    Allow 50 tags per resource; moto has an old limit, 10.

    Source: ELB user guide, "Tag restrictions".
    """
    for arn in resource_arns:
        backend._get_resource_by_arn(arn)  # noqa: SLF001
        keys = set(backend.tagging_service.get_tag_dict_for_resource(arn))
        keys |= {tag["Key"] for tag in tags}
        if len(keys) > _TAGS:
            raise TooManyTagsError(f"The quota for the number of tags of '{arn}' is {_TAGS}")
        backend.tagging_service.tag_resource(arn, tags)


def _describe_tags(moto: Moto, backend: Any, resource_arns: list[str]) -> Any:
    """Refuse a resource that does not exist; moto returns no tags for it."""
    for arn in resource_arns:
        backend._get_resource_by_arn(arn)  # noqa: SLF001
    return moto(backend, resource_arns)


def _tag_resource(_moto: Moto, backend: Any, arn: str, tags: dict[str, str]) -> None:
    """The Resource Groups Tagging API's TagResources."""
    backend.add_tags([arn], [{"Key": key, "Value": value} for key, value in tags.items()])


def _untag_resource(_moto: Moto, backend: Any, arn: str, tag_keys: list[str]) -> None:
    backend.remove_tags([arn], tag_keys)


def _is_classic(moto: Moto, backend: Any, arn: str) -> bool:
    """Without this, moto's tagging API takes every ELB ARN for a Classic Load Balancer's."""
    return moto(backend, arn) and arn.count("/") == 1


def _describe_page(key: str, moto: Moto, response: Any) -> Any:
    """Honour PageSize and Marker, which moto ignores here."""
    everything = list(moto(response).result[key])
    marker = response._get_param("Marker") or "0"  # noqa: SLF001
    if not marker.isdecimal():
        raise ValidationError(f"'{marker}' is not a valid marker")
    end = int(marker) + response._get_int_param("PageSize", _PAGE_SIZE)  # noqa: SLF001
    next_marker = str(end) if end < len(everything) else None
    return ActionResult({key: everything[int(marker) : end], "NextMarker": next_marker})


def _describe_account_limits(_moto: Moto, _response: Any) -> Any:
    """
    Today's quotas; moto's are years old.

    Source: "Quotas for your Application Load Balancers".
    """
    limits = [{"Name": name, "Max": str(limit)} for name, limit in _LIMITS.items()]
    return ActionResult({"Limits": limits})
