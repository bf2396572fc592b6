"""Every target that is registered or still draining, and its health."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
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
    """
    One stay of a target in a group; coming back after a deregistration is another one, and starts
    over.
    """

    group: str
    """ARN."""
    group_name: str
    target: Target
    number: int


@dataclass
class _Entry:
    registration: Registration
    health: Health
    gone_at: float | None = None
    """Set while it drains: time.monotonic() at which the deregistration delay is over."""


class Targets:
    """Follows what is registered, and answers for its health; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._state = State()
        self._registered: dict[str, dict[Target, _Entry]] = {}
        self._draining: dict[str, dict[Target, _Entry]] = {}

    def follow(self, state: State) -> None:
        """Take over what has been registered and deregistered since the last call."""
        with self._lock:
            self._state = state
            for mine in (self._registered, self._draining):
                for arn in mine.keys() - state.groups.keys():
                    del mine[arn]
            for group in state.groups.values():
                self._follow_group(group, used=group.arn in state.used_by)

    def checks(self) -> dict[Registration, HealthCheck]:
        """
        What is to be checked, and how; AWS checks no target of a group that no
        load balancer uses.
        """
        with self._lock:
            return {
                entry.registration: self._state.groups[arn].check
                for arn, entries in self._registered.items()
                for entry in entries.values()
                if entry.health is not UNUSED
            }

    def report(self, registration: Registration, failure: Failure | None) -> bool:
        """
        Count a check of a target.

        Returns:
            Whether its state is another one now.
        """
        with self._lock:
            entry = self._registered.get(registration.group, {}).get(registration.target)
            if entry is None or entry.registration != registration or entry.health is UNUSED:
                return False
            check = self._state.groups[registration.group].check
            before = entry.health.state
            entry.health = (
                entry.health.after_failure(check, failure)
                if failure
                else entry.health.after_pass(check)
            )
            return entry.health.state != before

    def routable(self) -> Mapping[str, tuple[Target, ...]]:
        """
        By target group ARN, the targets that get new requests.

        Those are the healthy ones; when there are none, all that are unhealthy: ELBv2 fails open. A
        target that has not passed its first check gets nothing.
        """
        with self._lock:
            return {arn: _routable(entries) for arn, entries in self._registered.items()}

    def counts(self) -> Mapping[str, Counter[str]]:
        """By ARN of each group in use, how many registered targets are in which state."""
        with self._lock:
            return {
                arn: Counter(entry.health.state for entry in self._registered.get(arn, {}).values())
                for arn in self._state.used_by
                if arn in self._state.groups
            }

    def describe(
        self, group: str, asked: list[Target] | None = None
    ) -> list[tuple[Target, Health]]:
        """The health of the targets asked for, or of all that are registered or draining."""
        with self._lock:
            known = {**self._draining_now(group), **self._registered.get(group, {})}
            if asked is None:
                return [(target, entry.health) for target, entry in known.items()]
            return [
                (target, known[target].health if target in known else NOT_REGISTERED)
                for target in asked
            ]

    def _follow_group(self, group: Group, *, used: bool) -> None:
        entries = self._registered.setdefault(group.arn, {})
        draining = self._draining_now(group.arn)
        for target in entries.keys() - set(group.targets):
            entry = entries.pop(target)
            if used:
                entry.health = DRAINING
                entry.gone_at = time.monotonic() + group.deregistration_delay
                draining[target] = entry
        for target in group.targets:
            if target not in entries:
                draining.pop(target, None)
                registration = Registration(group.arn, group.name, target, next(self._numbers))
                entries[target] = _Entry(registration, REGISTERING if used else UNUSED)
        for entry in entries.values():
            if not used:
                entry.health = UNUSED
            elif entry.health is UNUSED:
                entry.health = REGISTERING

    def _draining_now(self, group: str) -> dict[Target, _Entry]:
        entries = self._draining.setdefault(group, {})
        for target in [
            target for target, entry in entries.items() if (entry.gone_at or 0) <= time.monotonic()
        ]:
            del entries[target]
        return entries


def _routable(entries: Mapping[Target, _Entry]) -> tuple[Target, ...]:
    def in_state(state: str) -> Iterator[Target]:
        return (target for target, entry in entries.items() if entry.health.state == state)

    return tuple(in_state("healthy")) or tuple(in_state("unhealthy"))
