"""Faults on request: calls that fail, and services that become unhealthy or crash."""

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from sandbox.api.call import Call

__all__ = ["Faults", "InvalidFaults", "Plan", "parse_faults"]

_N = TypeVar("_N", int, float)

_GRAMMAR: Final = (
    "throttle=P|ACTION:N, error=P|ACTION:N, slow=SECONDS, lost=ACTION[:N], hold=N|ACTION[:N], "
    "deny=ACTION, unhealthy=TARGET_GROUP, crash=SERVICE, rule-propagation=SECONDS"
)


class InvalidFaults(ValueError):
    """Raised when a specification is not valid; the message shows the grammar."""


@dataclass
class Plan:
    """A parsed specification."""

    spec: str = ""
    """The specification itself."""
    shares: dict[str, float] = field(default_factory=dict)
    """By `throttle` or `error`, the share of all calls that fail with it, 0 to 1."""
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """By `throttle`, `error` or `lost`, and action: how many calls of the action still get it."""
    slow: float = 0.0
    """Seconds by which every call is delayed."""
    hold: int = 0
    """Number of the mutating call whose answer is delayed until the faults change; 0 for none."""
    hold_action: str = ""
    """Action whose calls are counted for `hold`; every mutating call if empty."""
    deny: frozenset[str] = frozenset()
    """Actions that are not allowed."""
    unhealthy: frozenset[str] = frozenset()
    """Target groups whose health checks fail."""
    crash: frozenset[str] = frozenset()
    """ECS services whose tasks exit with 1."""
    rule_propagation: float = 0.0
    """Seconds until a changed listener rule is in force on every node of its load balancer."""


def parse_faults(spec: str) -> Plan:
    """
    Read a specification such as `throttle=0.1,lost=RegisterTaskDefinition:1,slow=0.2`.

    Raises:
        InvalidFaults: An entry does not follow the grammar.
    """
    plan = Plan(spec=spec)
    for part in spec.split(","):
        entry = part.strip()
        if entry:
            _read_entry(plan, entry)
    return plan


def _read_entry(plan: Plan, entry: str) -> None:
    kind, _, value = entry.partition("=")
    try:
        _add_fault(plan, kind if value else "", value)
    except ValueError:
        raise InvalidFaults(f"--faults: {entry!r} is not valid; use {_GRAMMAR}") from None


def _add_fault(plan: Plan, kind: str, value: str) -> None:
    match kind:
        case "throttle" | "error" if not value[0].isalpha():
            plan.shares[kind] = _number(float, value, 0, 1)
        case "throttle" | "error" | "lost":
            action, _, count = value.partition(":")
            plan.counts[kind, action] = _number(int, count or "1", 1)
        case "slow":
            plan.slow = _number(float, value, 0, 3600)
        case "rule-propagation":
            plan.rule_propagation = _number(float, value, 0, 3600)
        case "hold" if value[0].isalpha():
            plan.hold_action, _, count = value.partition(":")
            plan.hold = _number(int, count or "1", 1)
        case "hold":
            plan.hold = _number(int, value, 1)
        case "deny" | "unhealthy" | "crash":
            setattr(plan, kind, getattr(plan, kind) | {value})
        case _:
            raise ValueError(kind)


def _number(kind: Callable[[str], _N], value: str, least: float, most: float = math.inf) -> _N:
    number = kind(value)
    if not least <= number <= most:  # which nan never is
        raise ValueError(value)
    return number


class Faults:
    """The plan in force, and how much of it has happened; safe to use from any thread."""

    def __init__(self, plan: Plan) -> None:
        self._lock = threading.Condition()
        self._random = random.Random(0)  # noqa: S311 - the same faults on every run
        self.plan = plan
        self.holding = False
        self._mutations = 0

    def set(self, plan: Plan) -> None:
        """Put another plan in force; an answer that is being held is sent."""
        with self._lock:
            self.plan = plan
            self.holding = False
            self._mutations = 0
            self._lock.notify_all()

    def before(self, call: Call) -> str | None:
        """How a call fails before it is carried out: `throttle`, `error` or `deny`."""
        with self._lock:
            if call.action in self.plan.deny:
                return "deny"
            for kind in ("throttle", "error"):
                share = self.plan.shares.get(kind, 0)
                if self._take(kind, call.action) or self._random.random() < share:
                    return kind
        return None

    def loses(self, call: Call) -> bool:
        """Whether the answer to a call that was carried out is lost."""
        with self._lock:
            return self._take("lost", call.action)

    def hold(self, call: Call) -> None:
        """Block while the answer to this call is to be held."""
        with self._lock:
            plan = self.plan
            if not call.mutating or plan.hold_action not in ("", call.action):
                return
            self._mutations += 1
            if self._mutations != plan.hold:
                return
            self.holding = True
            self._lock.wait_for(lambda: self.plan is not plan)

    def _take(self, kind: str, action: str) -> bool:
        left = self.plan.counts.get((kind, action), 0)
        self.plan.counts[kind, action] = max(0, left - 1)
        return left > 0
