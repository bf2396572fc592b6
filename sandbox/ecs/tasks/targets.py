"""Tasks as targets of load balancers: registering, health, draining."""

import threading
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from sandbox.api.internal import internal_client

__all__ = ["Health", "Target", "Targets"]

_POLL: Final = 0.2
_MARGIN: Final = 5.0

Target = tuple[str, str, int]
"""Target group ARN, IP address, port."""


class Health(NamedTuple):
    """A target's state and, when it is not healthy, the reason; as in DescribeTargetHealth."""

    state: str
    reason: str


class Targets:
    """The calls of ECS to Elastic Load Balancing."""

    def __init__(self, endpoint_url: str) -> None:
        self._elbv2 = internal_client(endpoint_url, "elbv2")

    def register(self, target: Target) -> None:
        """
        Register a target.

        Raises:
            ClientError: The group is gone.
        """
        group, address, port = target
        self._elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": address, "Port": port}])

    def deregister(self, target: Target) -> None:
        """Deregister a target, if its group still exists."""
        group, address, port = target
        try:
            self._elbv2.deregister_targets(
                TargetGroupArn=group, Targets=[{"Id": address, "Port": port}]
            )
        except ClientError as error:
            _unless_gone(error)

    def wait_until_drained(self, target: Target, closing: threading.Event) -> None:
        """Wait until the target has drained, at most a little longer than its delay."""
        group, address, port = target
        try:
            left = self._delay(group) + _MARGIN
            while left > 0 and self._is_draining(group, {"Id": address, "Port": port}):
                if closing.wait(_POLL):
                    return
                left -= _POLL
        except ClientError as error:
            _unless_gone(error)

    def read_health(self, groups: Iterable[str]) -> dict[Target, Health]:
        """The health of every target of the groups that still exist."""
        found: dict[Target, Health] = {}
        for group in groups:
            for one in self._describe(group):
                target, health = one["Target"], one["TargetHealth"]
                reason = health.get("Description") or health.get("Reason", "")
                found[group, target["Id"], target["Port"]] = Health(health["State"], reason)
        return found

    def _describe(self, group: str) -> list[dict[str, Any]]:
        try:
            answer = self._elbv2.describe_target_health(TargetGroupArn=group)
        except ClientError as error:
            _unless_gone(error)
            return []
        described: list[dict[str, Any]] = answer["TargetHealthDescriptions"]
        return described

    def _delay(self, group: str) -> float:
        answer = self._elbv2.describe_target_group_attributes(TargetGroupArn=group)
        attributes = {one["Key"]: one["Value"] for one in answer["Attributes"]}
        return float(attributes.get("deregistration_delay.timeout_seconds", 300.0))

    def _is_draining(self, group: str, target: dict[str, Any]) -> bool:
        answer = self._elbv2.describe_target_health(TargetGroupArn=group, Targets=[target])
        states = [one["TargetHealth"]["State"] for one in answer["TargetHealthDescriptions"]]
        return "draining" in states


def _unless_gone(error: ClientError) -> None:
    if error.response["Error"]["Code"] not in ("TargetGroupNotFound", "InvalidTarget"):
        raise error
