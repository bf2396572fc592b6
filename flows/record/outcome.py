"""What a run came to: the JSON object of the command lines, and the events the report marks."""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Event", "Journal", "MonolithOutcome", "Outcome", "ServiceOutcome", "TrafficOutcome"]

Status = Literal["completed", "planned", "unchanged", "failed", "refused"]


class _Outcome(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class ServiceOutcome(_Outcome):
    """One service at the end of a run."""

    stage: str
    """
    The stage it reached: planned, prepared, placed, proven, shifting, settled, returned, removed,
    failed.
    """
    weight: int | None = None
    """Percent of its paths' requests that it gets."""
    healthy_targets: int | None = None
    """Healthy targets of its target group."""
    image: str | None = None
    """`repository@sha256:…`."""
    task_definition: str | None = None
    """ARN of the revision."""


class MonolithOutcome(_Outcome):
    """The monolith at the end of a run."""

    service: str
    """ECS service name."""
    desired_count: int | None = None
    """Desired count."""
    drained: bool = False
    """Whether this tool brought it to 0."""


class TrafficOutcome(_Outcome):
    """What the live client saw."""

    requests: int
    """Requests sent."""
    failed: int
    """Requests answered with 5xx or not at all."""
    by_backend: dict[str, int] = Field(default_factory=dict)
    """Answers by who gave them."""


class Outcome(_Outcome):
    """The JSON object that `--json` prints; keys that do not apply are null."""

    status: Status
    """How the run ended."""
    engine: str | None = None
    """The container engine that built the images."""
    services: dict[str, ServiceOutcome] = Field(default_factory=dict)
    """By service name."""
    monolith: MonolithOutcome | None = None
    """The monolith."""
    traffic: TrafficOutcome | None = None
    """What the live client saw, where one ran."""
    alb_url: str | None = None
    """Where the listener answers."""
    error: str | None = None
    """Why the run failed or was refused."""


@dataclass(frozen=True)
class Event:
    """
    Something that happened in a run, for the live display and for the report's
    chart and table.
    """

    time: float
    """Seconds since the epoch."""
    kind: Literal["stage", "weight", "verdict", "check", "drain", "note"]
    service: str | None
    """None when it concerns the whole split or the monolith."""
    text: str
    """One line for a person."""
    weight: int | None = None
    """For `weight`: the service's new percentage."""
    verdict: Literal["pass", "fail", "inconclusive"] | None = None
    """For `verdict` and `check`."""
    numbers: dict[str, Any] = field(default_factory=dict)
    """What a verdict rests on."""


class Journal:
    """
    Collects a run's events, and tells them to whoever listens.

    Args:
        listener: Called with each new event, in the order in which they happened.
    """

    def __init__(self, listener: Callable[[Event], None] | None = None) -> None:
        self.events: list[Event] = []
        self.outcome: Outcome | None = None
        """What the run came to, also where its flow then raises."""
        self.plan: list[dict[str, str]] = []
        """The rows of the plan."""
        self.flow_run_id: str | None = None
        """The run's own flow run."""
        self.pause_screen: Callable[[], AbstractContextManager[None]] = nullcontext
        """Keeps a live screen off the terminal while a person is asked there."""
        self._listener = listener

    def add(self, kind: Any, service: str | None, text: str, **details: Any) -> Event:
        """Write down something that happened just now."""
        event = Event(time=time.time(), kind=kind, service=service, text=text, **details)
        self.events.append(event)
        if self._listener:
            self._listener(event)
        return event

    def adopt(self, events: Iterable[Event]) -> None:
        """Add what happened elsewhere, in another worker's run."""
        for event in events:
            self.events.append(event)
            if self._listener:
                self._listener(event)
