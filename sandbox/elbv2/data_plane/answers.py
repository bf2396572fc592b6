"""What ELBv2 has to answer differently when there is a data plane: DNS names, and target health."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from moto.elbv2.models import FakeHealthStatus

from sandbox.api.patch import patch
from sandbox.elbv2.data_plane.health import Health
from sandbox.elbv2.data_plane.state import Target, backend
from sandbox.elbv2.data_plane.targets import Targets

__all__ = ["serve_dns_names", "serve_target_health"]


def serve_dns_names(address: Callable[[], str], patches: ExitStack) -> None:
    """
    Give every new load balancer a loopback address as its DNS name, until
    `patches` is closed.
    """
    elbv2 = backend()
    of_moto = elbv2.create_load_balancer

    def create_load_balancer(*arguments: Any, **named: Any) -> Any:
        known = set(elbv2.load_balancers)
        load_balancer = of_moto(*arguments, **named)
        if (
            load_balancer.arn not in known
        ):  # creating one again is answered with the one that is there
            load_balancer.dns_name = address()
        return load_balancer

    patch(patches, elbv2, "create_load_balancer", create_load_balancer)


def serve_target_health(targets: Targets, patches: ExitStack) -> None:
    """Answer DescribeTargetHealth with what the checks found, until `patches` is closed."""
    elbv2 = backend()
    of_moto = elbv2.describe_target_health

    def describe_target_health(
        target_group_arn: str, targets_asked: list[dict[str, Any]] | None
    ) -> list[Any]:
        of_moto(target_group_arn, [])  # refuses unknown groups
        group = elbv2.target_groups[target_group_arn]
        asked = [
            Target(item["Id"], int(item.get("Port") or group.port)) for item in targets_asked or ()
        ]
        described = targets.describe(target_group_arn, asked or None)
        return [_status(target, health, group.health_check_port) for target, health in described]

    patch(patches, elbv2, "describe_target_health", describe_target_health)


def _status(target: Target, health: Health, check_port: str | None) -> Any:
    port = str(target.port) if check_port in (None, "traffic-port") else check_port
    return FakeHealthStatus(
        target.address, str(target.port), port, health.state, health.reason, health.description
    )
