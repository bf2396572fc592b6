"""The answers of ELBv2 that come from the data plane: DNS names and target health."""

from collections.abc import Callable
from functools import partial
from typing import Any

from moto.elbv2.models import ELBv2Backend, FakeHealthStatus

from sandbox.api.moto_patches import MotoPatches
from sandbox.elbv2.data_plane.health import Health
from sandbox.elbv2.data_plane.state import Target
from sandbox.elbv2.data_plane.targets import Targets

__all__ = ["patch_moto"]

Moto = Callable[..., Any]


def patch_moto(patches: MotoPatches, new_address: Callable[[], str], targets: Targets) -> None:
    """
    Answer with what really runs.

    Args:
        patches: Where moto is patched.
        new_address: Makes the loopback address of a new load balancer, which is its DNS name.
        targets: The targets, with their health.
    """
    patches.replace(
        ELBv2Backend, "create_load_balancer", partial(_create_load_balancer, new_address)
    )
    patches.replace(
        ELBv2Backend, "describe_target_health", partial(_describe_target_health, targets)
    )


def _create_load_balancer(
    new_address: Callable[[], str], moto: Moto, backend: Any, *arguments: Any, **named: Any
) -> Any:
    known = set(backend.load_balancers)
    load_balancer = moto(backend, *arguments, **named)
    # Creating one again returns the existing one.
    if load_balancer.arn not in known:
        load_balancer.dns_name = new_address()
    return load_balancer


def _describe_target_health(
    targets: Targets,
    moto: Moto,
    backend: Any,
    target_group_arn: str,
    targets_asked: list[dict[str, Any]] | None,
) -> list[Any]:
    moto(backend, target_group_arn, [])  # refuses unknown groups
    group = backend.target_groups[target_group_arn]
    asked = [
        Target(item["Id"], int(item.get("Port") or group.port)) for item in targets_asked or ()
    ]
    described = targets.describe(target_group_arn, asked or None)
    return [_status(target, health, group.health_check_port) for target, health in described]


def _status(target: Target, health: Health, check_port: str | None) -> Any:
    port = str(target.port) if check_port in (None, "traffic-port") else check_port
    return FakeHealthStatus(
        target.address, str(target.port), port, health.state, health.reason, health.description
    )
