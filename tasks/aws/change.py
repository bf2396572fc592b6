"""What has to happen to one AWS resource: the shared language of plan and apply."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from config.errors import ResourceConflict

__all__ = [
    "UNKNOWN",
    "Change",
    "Conflict",
    "Create",
    "Kind",
    "NoChange",
    "Update",
    "compare_fields",
    "refuse_conflict",
]

Kind = Literal["no change", "create", "update", "conflict"]

UNKNOWN = "(known after apply)"
"""Stands for a value that AWS will give to a resource that is not made yet."""


@dataclass(frozen=True)
class NoChange:
    """The resource is as desired."""

    kind: Kind = "no change"


@dataclass(frozen=True)
class Create:
    """There is no such resource yet."""

    kind: Kind = "create"


@dataclass(frozen=True)
class Update:
    """Some fields differ; `fields` maps AWS's name to (before, after)."""

    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    kind: Kind = "update"


@dataclass(frozen=True)
class Conflict:
    """The resource is not ours to change."""

    reason: str = ""
    kind: Kind = "conflict"


Change = NoChange | Create | Update | Conflict


def compare_fields(desired: Mapping[str, Any], observed: Mapping[str, Any]) -> NoChange | Update:
    """
    Compare the desired fields and tags with AWS's; what AWS holds beyond them
    is its own business.
    """
    held = {name: _held(name, value, observed.get(name)) for name, value in desired.items()}
    differing = {
        name: (held[name], value)
        for name, value in desired.items()
        if value != UNKNOWN and held[name] != value
    }
    return Update(differing) if differing else NoChange()


def _held(name: str, desired: Any, observed: Any) -> Any:
    """The observed value; of tags only the desired keys, as everybody may tag what is ours."""
    if name.lower() == "tags" and isinstance(observed, Mapping):
        return {key: observed[key] for key in desired if observed.get(key) is not None}
    return observed


def refuse_conflict(change: Change) -> None:
    """Raise `ResourceConflict` when the change is a conflict."""
    if isinstance(change, Conflict):
        raise ResourceConflict(change.reason)
