"""The stages and weights that each service went through, and when: from a run's events."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from flows.record.outcome import Event

__all__ = [
    "FINAL_STAGES",
    "StageTime",
    "WeightStep",
    "services_in",
    "stage_durations",
    "weight_steps",
]

FINAL_STAGES: Final = frozenset({"settled", "returned", "removed", "failed"})
"""Stages that a service does not leave again in the same run."""


class StageTime(NamedTuple):
    """One stage of one service."""

    stage: str
    """Its name."""
    started: float
    """Seconds since the epoch."""
    seconds: float
    """How long it took; 0 for a final one."""

    def until(self, end: float) -> "StageTime":
        """
        The same stage, with its duration.

        Args:
            end: When the next one began, in seconds since the epoch.
        """
        if self.stage in FINAL_STAGES:
            return self
        return self._replace(seconds=max(0.0, end - self.started))


class WeightStep(NamedTuple):
    """One change of one service's weight."""

    at: float
    """Seconds since the epoch."""
    weight: int
    """The new percentage."""


def stage_durations(
    events: Sequence[Event], ended: float | None = None
) -> dict[str, list[StageTime]]:
    """
    The stages of each service, in order.

    Args:
        events: The run's events, oldest first.
        ended: End of a stage that is still in progress, in seconds since the epoch; the time of
            the last event if not given.
    """
    if ended is None:
        ended = max((event.at for event in events), default=0.0)

    stages = {}
    for service in services_in(events):
        own = [event for event in events if event.service == service and event.kind == "stage"]
        stages[service] = _durations(own, ended)
    return stages


def _durations(events: Iterable[Event], ended: float) -> list[StageTime]:
    """Each lasts until the next one begins, the last one until `ended`."""
    begun = [StageTime(event.text, event.at, 0.0) for event in events]
    times = [stage.started for stage in begun]
    ends = [*times[1:], ended]
    return [stage.until(end) for stage, end in zip(begun, ends, strict=False)]


def services_in(events: Iterable[Event]) -> list[str]:
    """Names of the services that the events are about, in the order of their first ones."""
    names = [event.service for event in events if event.service is not None]
    return list(dict.fromkeys(names))


def weight_steps(events: Iterable[Event]) -> dict[str, list[WeightStep]]:
    """Each service's weight changes, oldest first; services without any are left out."""
    steps: dict[str, list[WeightStep]] = {}
    for event in events:
        if event.service is None or event.weight is None or event.kind != "weight":
            continue
        own = steps.setdefault(event.service, [])
        own.append(WeightStep(event.at, event.weight))
    return steps
