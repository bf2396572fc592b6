"""Faults on request: what goes wrong on the way to AWS, and in the services behind it."""

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from sandbox.api.call import Call

__all__ = ["Faults", "InvalidFaults", "Plan", "parse_faults"]

_N = TypeVar("_N", int, float)

_HELP: Final = (
    "throttle=P|ACTION:N, error=P|ACTION:N, slow=SECONDS, lost=ACTION[:N], hold=N, deny=ACTION, "
    "unhealthy=TARGET_GROUP, crash=SERVICE"
)


class InvalidFaults(ValueError):
    """Raised when a specification cannot be read; the message shows the grammar."""


@dataclass
class Plan:
    """What shall go wrong."""

    spec: str = ""
    shares: dict[str, float] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    slow: float = 0.0
    hold: int = 0
    deny: frozenset[str] = frozenset()
    unhealthy: frozenset[str] = frozenset()
    crash: frozenset[str] = frozenset()


def parse_faults(spec: str) -> Plan:
    """
    Read a specification such as `throttle=0.1,lost=RegisterTaskDefinition:1,slow=0.2`.

    Raises:
        InvalidFaults: An entry is not of that grammar.
    """
    plan = Plan(spec=spec)
    for entry in filter(None, (part.strip() for part in spec.split(","))):
        kind, equals, value = entry.partition("=")
        try:
            _read_entry(plan, kind if equals and value else "", value)
        except ValueError:
            raise InvalidFaults(
                f"--faults: {entry!r} is not understood; known are {_HELP}"
            ) from None
    return plan


def _read_entry(plan: Plan, kind: str, value: str) -> None:
    match kind:
        case "throttle" | "error" if value[0].isalpha():
            action, _, count = value.partition(":")
            plan.counts[kind, action] = _number(int, count or "1", 1)
        case "throttle" | "error":
            plan.shares[kind] = _number(float, value, 0, 1)
        case "lost":
            action, _, count = value.partition(":")
            plan.counts[kind, action] = _number(int, count or "1", 1)
        case "slow":
            plan.slow = _number(float, value, 0, 3600)
        case "hold":
            plan.hold = _number(int, value, 1)
        case "deny":
            plan.deny |= {value}
        case "unhealthy":
            plan.unhealthy |= {value}
        case "crash":
            plan.crash |= {value}
        case _:
            raise ValueError(kind)


def _number(kind: Callable[[str], _N], value: str, least: float, most: float = math.inf) -> _N:
    number = kind(value)
    if not least <= number <= most:  # which nan never is
        raise ValueError(value)
    return number


class Faults:
    """The plan in force, and what of it has happened."""

    def __init__(self, plan: Plan) -> None:
        self._lock = threading.Condition()
        self._random = random.Random(0)  # noqa: S311 - the same faults on every run
        self.plan = plan
        self.holding = False
        self._mutations = 0

    def set(self, plan: Plan) -> None:
        """Put another plan in force; an answer that is held back goes out."""
        with self._lock:
            self.plan, self.holding, self._mutations = plan, False, 0
            self._lock.notify_all()

    def before(self, call: Call) -> str | None:
        """Which of `throttle`, `error`, `deny` the call meets before it is carried out."""
        with self._lock:
            if call.action in self.plan.deny:
                return "deny"
            for kind in ("throttle", "error"):
                if self._take(kind, call.action) or self._random.random() < self.plan.shares.get(
                    kind, 0
                ):
                    return kind
        return None

    def loses(self, call: Call) -> bool:
        """Whether the answer to a call that was carried out gets lost."""
        with self._lock:
            return self._take("lost", call.action)

    def hold(self, call: Call) -> None:
        """Block here when this is the mutating call whose answer is to be held back."""
        with self._lock:
            self._mutations += call.mutating
            plan = self.plan
            if not call.mutating or self._mutations != plan.hold:
                return
            self.holding = True
            self._lock.wait_for(lambda: self.plan is not plan)

    def _take(self, kind: str, action: str) -> bool:
        left = self.plan.counts.get((kind, action), 0)
        self.plan.counts[kind, action] = max(0, left - 1)
        return left > 0
