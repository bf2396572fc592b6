"""
What the account's load balancers are told to do, read from moto in one piece.

Read from moto's own objects and not through the API: the control plane calls us under its lock,
where the picture is whole. Over HTTP it would take a dozen calls, and change between them. The
tests hold it against boto3.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from moto.elbv2.models import elbv2_backends

from sandbox.api.internal import ACCOUNT, REGION

__all__ = [
    "Group",
    "HealthCheck",
    "Listener",
    "Rule",
    "State",
    "Target",
    "backend",
    "forward_weights",
    "read_state",
]

_LAST: Final = 1_000_000
"""Sorts the default rule behind every other; priorities end at 50,000."""


@dataclass(frozen=True)
class Target:
    """Where a target answers."""

    address: str
    port: int


@dataclass(frozen=True)
class HealthCheck:
    """How the targets of a group are checked; times in seconds."""

    protocol: str
    port: str
    """`traffic-port` or a number."""
    path: str
    interval: float
    timeout: float
    healthy_threshold: int
    unhealthy_threshold: int
    matcher: str
    """Status codes, e.g. `200,202` or `200-299`."""


@dataclass(frozen=True)
class Group:
    """A target group and what is registered in it."""

    arn: str
    name: str
    check: HealthCheck
    deregistration_delay: float
    targets: tuple[Target, ...]

    @property
    def label(self) -> str:
        """Its name in CloudWatch dimensions: `targetgroup/name/id`."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True)
class Rule:
    """Conditions and the one action that ends the rule, in ELBv2's own words."""

    conditions: tuple[Mapping[str, Any], ...]
    action: Mapping[str, Any]


@dataclass(frozen=True)
class Listener:
    """A listener with its rules in the order in which they are tried, the default rule last."""

    arn: str
    load_balancer: str
    """The load balancer's name in CloudWatch dimensions: `app/name/id`."""
    address: str
    port: int
    protocol: str
    idle_timeout: float
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class State:
    """Every listener and target group of the account."""

    listeners: tuple[Listener, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    """By ARN."""
    used_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """
    Target group ARN to the load balancers (`app/name/id`) that forward to it; unused groups are
    missing.
    """


def backend() -> Any:
    """The ELBv2 state that moto holds for the sandbox's account and region."""
    return elbv2_backends[ACCOUNT][REGION]


def read_state() -> State:
    """
    The state as of now; call it where nothing changes meanwhile, under the
    control plane's lock.
    """
    listeners = tuple(_listeners())
    used_by: dict[str, frozenset[str]] = {}
    for listener in listeners:
        for rule in listener.rules:
            for arn in forward_weights(rule.action):
                used_by[arn] = used_by.get(arn, frozenset()) | {listener.load_balancer}
    groups = {arn: _group(group) for arn, group in backend().target_groups.items()}
    return State(listeners, groups, used_by)


def forward_weights(action: Mapping[str, Any]) -> dict[str, int]:
    """Weight 0 to 999 by target group ARN; empty when the action does not forward."""
    if action.get("Type") != "forward":
        return {}
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups")
    if groups:
        return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups}
    return {action["TargetGroupArn"]: 1}


def _listeners() -> Iterator[Listener]:
    for load_balancer in backend().load_balancers.values():
        for listener in load_balancer.listeners.values():
            yield Listener(
                arn=listener.arn,
                load_balancer=load_balancer.arn.partition(":loadbalancer/")[2],
                address=load_balancer.dns_name,
                port=int(listener.port),
                protocol=listener.protocol,
                idle_timeout=float(load_balancer.attrs.get("idle_timeout.timeout_seconds", 60)),
                rules=tuple(_rule(rule) for rule in sorted(listener.rules.values(), key=_priority)),
            )


def _priority(rule: Any) -> int:
    return _LAST if rule.priority == "default" else int(rule.priority)


def _rule(rule: Any) -> Rule:
    # Only the last action ends a rule; those before it authenticate, which an HTTP listener cannot.
    actions = sorted(
        (action.data for action in rule.actions), key=lambda action: int(action.get("Order") or 0)
    )
    return Rule(tuple(rule.conditions), actions[-1])


def _group(group: Any) -> Group:
    return Group(
        arn=group.arn,
        name=group.name,
        check=HealthCheck(
            protocol=str(group.health_check_protocol or "HTTP"),
            port=str(group.health_check_port or "traffic-port"),
            path=group.health_check_path or "/",
            interval=float(group.health_check_interval_seconds),
            timeout=float(group.health_check_timeout_seconds),
            healthy_threshold=int(group.healthy_threshold_count),
            unhealthy_threshold=int(group.unhealthy_threshold_count),
            matcher=str((getattr(group, "matcher", None) or {}).get("HttpCode") or "200"),
        ),
        deregistration_delay=float(group.attributes["deregistration_delay.timeout_seconds"]),
        targets=tuple(
            Target(str(target["Id"]), int(target.get("Port") or group.port))
            for target in group.targets.values()
        ),
    )
