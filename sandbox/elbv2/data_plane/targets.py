"""Every target that is registered or still draining, and its health."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sandbox.elbv2.data_plane.health import (
    DRAINING,
    NOT_REGISTERED,
    REGISTERING,
    UNUSED,
    Failure,
    Health,
)
from sandbox.elbv2.data_plane.state import Group, HealthCheck, State, Target

__all__ = ["Registration", "Targets"]


@dataclass(frozen=True)
class Registration:
    """A registration of a target; registering it again after a deregistration is another one."""

    group: str
    """ARN."""
    group_name: str
    target: Target
    number: int


@dataclass
class _Entry:
    registration: Registration
    health: Health
    drained_at: float = 0.0
    """time.monotonic() at which the deregistration delay ends, if it drains."""


class Targets:
    """Keeps targets in step with moto, and their health; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._state = State()
        self._registered: dict[str, dict[Target, _Entry]] = {}
        self._draining: dict[str, dict[Target, _Entry]] = {}

    def follow(self, state: State) -> None:
        """Apply what has been registered and deregistered since the last call."""
        with self._lock:
            self._state = state
            for entries in (self._registered, self._draining):
                for arn in entries.keys() - state.groups.keys():
                    del entries[arn]
            for group in state.groups.values():
                self._follow_group(group, used=group.arn in state.used_by)

    def checks(self) -> dict[Registration, HealthCheck]:
        """The targets to check; AWS does not check the targets of an unused group."""
        checks: dict[Registration, HealthCheck] = {}
        with self._lock:
            for arn, entries in self._registered.items():
                for entry in entries.values():
                    if entry.health is not UNUSED:
                        checks[entry.registration] = self._state.groups[arn].check
        return checks

    def report(self, registration: Registration, failure: Failure | None) -> bool:
        """
        Apply the result of a check.

        Returns:
            Whether it changed the target's state.
        """
        with self._lock:
            entry = self._registered.get(registration.group, {}).get(registration.target)
            if entry is None or entry.registration != registration or entry.health is UNUSED:
                return False
            check = self._state.groups[registration.group].check
            before = entry.health
            if failure:
                entry.health = before.after_failure(check, failure)
            else:
                entry.health = before.after_pass(check)
            return entry.health.state != before.state

    def routable(self) -> Mapping[str, tuple[Target, ...]]:
        """
        By target group ARN, the targets that get new requests.

        Those are the healthy ones; when there are none, all unhealthy ones: ELBv2 fails open. A
        target that has not passed its first check gets no requests.
        """
        with self._lock:
            return {arn: _routable(entries) for arn, entries in self._registered.items()}

    def counts(self) -> Mapping[str, Counter[str]]:
        """By ARN of each group in use, the number of registered targets in each state."""
        with self._lock:
            used = self._state.used_by.keys() & self._state.groups.keys()
            return {arn: _count_states(self._registered.get(arn, {}).values()) for arn in used}

    def describe(
        self, group: str, asked: list[Target] | None = None
    ) -> list[tuple[Target, Health]]:
        """The health of the targets in `asked`, or of all that are registered or draining."""
        with self._lock:
            entries = {**self._draining_now(group), **self._registered.get(group, {})}
            known = {target: entry.health for target, entry in entries.items()}
        if asked is None:
            return list(known.items())
        return [(target, known.get(target, NOT_REGISTERED)) for target in asked]

    def _follow_group(self, group: Group, *, used: bool) -> None:
        entries = self._registered.setdefault(group.arn, {})
        draining = self._draining_now(group.arn)
        for target in entries.keys() - set(group.targets):
            entry = entries.pop(target)
            if used:
                entry.health = DRAINING
                entry.drained_at = time.monotonic() + group.deregistration_delay
                draining[target] = entry
        for target in group.targets:
            if target not in entries:
                draining.pop(target, None)
                registration = Registration(group.arn, group.name, target, next(self._numbers))
                entries[target] = _Entry(registration, UNUSED)
        for entry in entries.values():
            if not used:
                entry.health = UNUSED
            elif entry.health is UNUSED:
                entry.health = REGISTERING

    def _draining_now(self, group: str) -> dict[Target, _Entry]:
        entries = self._draining.setdefault(group, {})
        for target, entry in list(entries.items()):
            if entry.drained_at <= time.monotonic():
                del entries[target]
        return entries


def _count_states(entries: Iterable[_Entry]) -> Counter[str]:
    return Counter(entry.health.state for entry in entries)


def _routable(entries: Mapping[Target, _Entry]) -> tuple[Target, ...]:
    return _in_state("healthy", entries) or _in_state("unhealthy", entries)


def _in_state(state: str, entries: Mapping[Target, _Entry]) -> tuple[Target, ...]:
    return tuple(target for target, entry in entries.items() if entry.health.state == state)
