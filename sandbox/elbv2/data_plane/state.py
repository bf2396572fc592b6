"""
The configuration of the account's load balancers, read from moto at one moment.

It is read from moto's own objects, not through the API: the endpoint calls us under its lock, where
the state is consistent. Over HTTP it would take a dozen calls, and could change between them. The
tests compare it with what boto3 reads.
"""

from collections.abc import Iterable, Iterator, Mapping
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
    """A target's address."""

    address: str
    port: int


@dataclass(frozen=True)
class HealthCheck:
    """A group's health check; times in seconds."""

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
    """A target group and its registered targets."""

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
    """Conditions and the action that ends the rule, both as in the ELBv2 API."""

    conditions: tuple[Mapping[str, Any], ...]
    action: Mapping[str, Any]


@dataclass(frozen=True)
class Listener:
    """A listener with its rules in the order of evaluation, the default rule last."""

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
    """By target group ARN, the load balancers (`app/name/id`) that forward to it, if any do."""


def backend() -> Any:
    """Moto's ELBv2 state for the sandbox's account and region."""
    return elbv2_backends[ACCOUNT][REGION]


def read_state() -> State:
    """The current state; call it where nothing changes meanwhile, under the endpoint's lock."""
    listeners = tuple(_listeners())
    groups = {arn: _group(group) for arn, group in backend().target_groups.items()}
    return State(listeners, groups, _used_by(listeners))


def forward_weights(action: Mapping[str, Any]) -> dict[str, int]:
    """Weight 0 to 999 by target group ARN; empty when the action does not forward."""
    if action.get("Type") != "forward":
        return {}
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups")
    if groups:
        return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups}
    return {action["TargetGroupArn"]: 1}


def _used_by(listeners: Iterable[Listener]) -> dict[str, frozenset[str]]:
    used_by: dict[str, frozenset[str]] = {}
    for listener in listeners:
        for rule in listener.rules:
            for arn in forward_weights(rule.action):
                used_by[arn] = used_by.get(arn, frozenset()) | {listener.load_balancer}
    return used_by


def _listeners() -> Iterator[Listener]:
    for load_balancer in backend().load_balancers.values():
        for listener in load_balancer.listeners.values():
            yield _listener(load_balancer, listener)


def _listener(load_balancer: Any, listener: Any) -> Listener:
    rules = sorted(listener.rules.values(), key=_priority)
    return Listener(
        arn=listener.arn,
        load_balancer=load_balancer.arn.partition(":loadbalancer/")[2],
        address=load_balancer.dns_name,
        port=int(listener.port),
        protocol=listener.protocol,
        idle_timeout=float(load_balancer.attrs.get("idle_timeout.timeout_seconds", 60)),
        rules=tuple(map(_rule, rules)),
    )


def _priority(rule: Any) -> int:
    return _LAST if rule.priority == "default" else int(rule.priority)


def _rule(rule: Any) -> Rule:
    # Only the last action ends a rule; those before it authenticate, which an HTTP listener cannot.
    actions = sorted(rule.actions, key=lambda action: int(action.data.get("Order") or 0))
    return Rule(tuple(rule.conditions), actions[-1].data)


def _group(group: Any) -> Group:
    targets = [
        Target(str(target["Id"]), int(target.get("Port") or group.port))
        for target in group.targets.values()
    ]
    return Group(
        arn=group.arn,
        name=group.name,
        check=_health_check(group),
        deregistration_delay=float(group.attributes["deregistration_delay.timeout_seconds"]),
        targets=tuple(targets),
    )


def _health_check(group: Any) -> HealthCheck:
    matcher = getattr(group, "matcher", None) or {}
    return HealthCheck(
        protocol=str(group.health_check_protocol or "HTTP"),
        port=str(group.health_check_port or "traffic-port"),
        path=group.health_check_path or "/",
        interval=float(group.health_check_interval_seconds),
        timeout=float(group.health_check_timeout_seconds),
        healthy_threshold=int(group.healthy_threshold_count),
        unhealthy_threshold=int(group.unhealthy_threshold_count),
        matcher=str(matcher.get("HttpCode") or "200"),
    )
