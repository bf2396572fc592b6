"""
What a run came to: the JSON object of the command lines, and the errors that carry it.

The two errors add to the tree in `config.errors`:

    PlanRefused (BadInput)    the plan was made, and the run refused
    RunFailed (StepFailed)    the run ended, and not all of it succeeded
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from config.errors import BadInput, StepFailed
from tasks.elbv2.target_group import TargetHealth

__all__ = [
    "Event",
    "MonolithOutcome",
    "Outcome",
    "PlanRefused",
    "RunFailed",
    "ServiceOutcome",
    "Status",
    "TrafficOutcome",
]

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

    @classmethod
    def of(
        cls,
        stage: str,
        *,
        weight: int | None = None,
        health: TargetHealth | None = None,
        image: str | None = None,
        task_definition: str | None = None,
        **more: Any,
    ) -> Self:
        """
        What a service came to, by what AWS holds of it.

        Args:
            stage: The stage it reached.
            weight: Percent of its paths' requests that it gets.
            health: Of its target group, where it has one.
            image: Reference of the image that it runs.
            task_definition: ARN of the revision that it runs.
            **more: Further fields, of a subclass.
        """
        return cls(
            stage=stage,
            weight=weight,
            healthy_targets=health.healthy if health else None,
            image=image,
            task_definition=task_definition,
            **more,
        )

    def at(self, stage: str) -> Self:
        """The same service, at another stage."""
        return self.model_copy(update={"stage": stage})


class MonolithOutcome(_Outcome):
    """The monolith at the end of a run."""

    service: str
    """ECS service name."""
    desired_count: int | None = None
    """Desired count."""
    drained: bool = False
    """Whether its desired count is 0."""

    @classmethod
    def of(cls, service: str, desired_count: int, **more: Any) -> Self:
        """
        The monolith, by what ECS holds of it.

        Args:
            service: ECS service name.
            desired_count: Its desired count.
            **more: Further fields, of a subclass.
        """
        drained = desired_count == 0
        return cls(service=service, desired_count=desired_count, drained=drained, **more)


class TrafficOutcome(_Outcome):
    """What the live client saw."""

    requests: int
    """Requests sent."""
    failed: int
    """Requests answered with 5xx or not at all."""
    by_backend: dict[str, int] = Field(default_factory=dict)
    """Answers by the backend that sent them."""


@dataclass(frozen=True)
class Event:
    """Something that happened in a run."""

    at: float
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

    @property
    def is_detail(self) -> bool:
        """Whether a log leaves it out: each step has many gates for connections and statuses."""
        gate = str(self.numbers.get("gate", ""))
        return self.verdict == "pass" and gate.startswith(("connections", "status "))


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
    events: tuple[Event, ...] = ()
    """What happened, oldest first."""
    plan: tuple[dict[str, str], ...] | None = None
    """Rows of the plan, where the run ended with its plan."""

    @classmethod
    def refused(cls, error: str, plan: Sequence[dict[str, str]] | None = None) -> Self:
        """A run that ended before it changed anything, perhaps with its plan."""
        rows = None if plan is None else tuple(plan)
        return cls(status="refused", error=error, plan=rows)

    @classmethod
    def failed(cls, error: str) -> Self:
        """A run of which nothing else is known."""
        return cls(status="failed", error=error)

    def with_plan(self, plan: Sequence[dict[str, str]], *, is_empty: bool) -> Self:
        """The outcome of a run that ended with its plan."""
        status = "unchanged" if is_empty else "planned"
        return self.model_copy(update={"status": status, "plan": tuple(plan)})


class PlanRefused(BadInput):
    """Raised when a run was refused after its plan was made; `outcome` has the plan."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome

    def __str__(self) -> str:
        """The reasons."""
        return str(self.outcome.error)


class RunFailed(StepFailed):
    """Raised when a run that changed AWS did not succeed; `outcome` has what it came to."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome

    def __str__(self) -> str:
        """Why it failed."""
        return str(self.outcome.error)
