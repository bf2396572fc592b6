"""Planned changes, the rows that show them, and whether they are still true under the lock."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from config.errors import StalePlan
from tasks.aws.change import Change, Conflict, Create, NoChange, Update
from tasks.state.service import ServiceState

__all__ = [
    "PlannedChange",
    "Row",
    "ServicePlan",
    "make_row",
    "service_plan_rows",
    "stale_plan",
    "verify_plan",
]

Row: TypeAlias = dict[str, str]
"""One line of a plan: service, resource, name, action, details."""

_WIDTH: Final = 80
"""Characters of a value that a row shows."""


def make_row(service: str, resource: str, name: str, action: str, details: str = "") -> Row:
    """
    One line of a plan.

    Args:
        service: ECS service that the resource belongs to.
        resource: Kind, in AWS's words, e.g. `target group`.
        name: Its name.
        action: For example `create`; `tasks.aws.change.Kind` and a few more.
        details: What changes, for people.
    """
    return {
        "service": service,
        "resource": resource,
        "name": name,
        "action": action,
        "details": details,
    }


@dataclass(frozen=True)
class PlannedChange:
    """One resource, and what has to happen to it."""

    resource: str
    """Kind, in AWS's words, e.g. `target group`."""
    name: str
    change: Change
    temporary: bool = False
    """Whether the run removes it before it ends."""

    @property
    def is_done(self) -> bool:
        """Whether the resource is as desired."""
        return isinstance(self.change, NoChange)

    @property
    def conflict(self) -> str | None:
        """Why the resource may not be changed."""
        return self.change.reason if isinstance(self.change, Conflict) else None

    def row(self, service: str, *, full: bool = False) -> Row:
        """
        As a line of a plan.

        Args:
            service: ECS service that the resource belongs to.
            full: Whether long values are shown in full.
        """
        width = sys.maxsize if full else _WIDTH
        return make_row(
            service,
            self.resource,
            self.name,
            self.change.kind,
            self._details(width),
        )

    def _details(self, width: int) -> str:
        match self.change:
            case Update(fields):
                return _fields_text(fields, width)
            case Conflict(reason):
                return reason
            case _ if self.temporary:
                return "removed at the end of the run"
            case _:
                return ""


def _fields_text(fields: Mapping[str, tuple[Any, Any]], width: int) -> str:
    """For example `Port: 80 -> 3000; Path: / -> /up`."""
    texts = []
    for name, (before, after) in fields.items():
        shown = _shorten(before, width)
        wanted = _shorten(after, width)
        texts.append(f"{name}: {shown} -> {wanted}")
    return "; ".join(texts)


def _shorten(value: Any, width: int) -> str:
    text = str(value)
    if len(text) <= width:
        return text
    return f"{text[: width - 1]}…"


@dataclass(frozen=True)
class ServicePlan:
    """Everything that has to happen for one service."""

    service: str
    changes: tuple[PlannedChange, ...]
    weight: int
    """Percent of its paths' requests that it gets now."""
    steps: tuple[int, ...]
    """Weights that traffic will be shifted to; empty when it has all."""
    image: str
    """Content tag of the image to build; of a ready image its reference, pinned by digest."""
    state: ServiceState = field(repr=False)
    note: str | None = None
    """What a person has to know of the image, e.g. why it is not pinned."""

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        if self.steps:
            return False
        return all(item.is_done for item in self.changes)

    def created(self) -> list[str]:
        """Kind of each resource that has to be created."""
        return [item.resource for item in self.changes if isinstance(item.change, Create)]

    @property
    def needs_build(self) -> bool:
        """Whether its image has never been pushed."""
        return "image" in self.created()

    @property
    def conflicts(self) -> list[str]:
        """Why the run may not begin."""
        found = [item.conflict for item in self.changes]
        return [reason for reason in found if reason]

    def change_rows(self, *, full: bool) -> list[Row]:
        """The lines of its resources."""
        return [item.row(self.service, full=full) for item in self.changes]

    def traffic_rows(self) -> list[Row]:
        """The line of its traffic steps; none when it has all requests."""
        if not self.steps:
            return []
        return [make_row(self.service, "traffic", "weights", "update", self._steps_text())]

    def _steps_text(self) -> str:
        """For example `0% -> 10% -> 100%`."""
        weights = dict.fromkeys([self.weight, *self.steps])
        percents = [f"{weight}%" for weight in weights]
        return " -> ".join(percents)


def service_plan_rows(plans: Iterable[ServicePlan], *, full: bool = False) -> list[Row]:
    """
    The plans of services as a table.

    Args:
        plans: One a service.
        full: Whether long values are shown in full.
    """
    changes: list[Row] = []
    traffic: list[Row] = []
    for plan in plans:
        changes += plan.change_rows(full=full)
        traffic += plan.traffic_rows()
    return changes + traffic


def verify_plan(planned: Sequence[Row], fresh: Sequence[Row]) -> None:
    """
    Compare the rows of a plan with those of a plan that was made after the lock was taken.

    Args:
        planned: What was shown, and perhaps approved.
        fresh: The same plan, from what AWS holds now.

    Raises:
        StalePlan: With every difference.
    """
    before = _actions(planned)
    now = _actions(fresh)
    differences = []
    for resource in dict.fromkeys([*before, *now]):
        was = before.get(resource, "nothing")
        has_become = now.get(resource, "nothing")
        if was != has_become:
            differences.append(f"{resource}: planned {was}, now {has_become}")
    if differences:
        raise stale_plan(differences)


def stale_plan(differences: Iterable[str]) -> StalePlan:
    """
    The error for a plan that is no longer true.

    Args:
        differences: A line each.
    """
    heading = "the plan is stale: AWS changed after it was made; nothing was changed, run again:"
    lines = [f"  {line}" for line in differences]
    return StalePlan("\n".join([heading, *lines]))


def _actions(rows: Iterable[Row]) -> dict[str, str]:
    """What happens to each resource; one may have several rows."""
    found: dict[str, str] = {}
    for row in rows:
        resource = _resource(row)
        action = _action(row)
        earlier = found.get(resource)
        found[resource] = f"{earlier} and {action}" if earlier else action
    return found


def _resource(row: Row) -> str:
    """For example `users: target group users-tg`."""
    return f"{row['service']}: {row['resource']} {row['name']}"


def _action(row: Row) -> str:
    """For example `update (Port: 80 -> 3000)`."""
    action = row["action"]
    details = row["details"]
    return f"{action} ({details})" if details else action
