"""What has to change in one AWS resource: the data that plan and apply share."""

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
"""Placeholder for a value that AWS assigns when the resource is created."""


@dataclass(frozen=True)
class NoChange:
    """The resource is as desired."""

    kind: Kind = "no change"


@dataclass(frozen=True)
class Create:
    """The resource does not exist yet."""

    kind: Kind = "create"


@dataclass(frozen=True)
class Update:
    """Some fields differ; `fields` maps AWS's name to (before, after)."""

    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    kind: Kind = "update"


@dataclass(frozen=True)
class Conflict:
    """This split must not change the resource."""

    reason: str = ""
    kind: Kind = "conflict"
    by_config: bool = False
    """Whether the resource is as this split left it, and the config asks for what it must not."""


Change = NoChange | Create | Update | Conflict


def compare_fields(desired: Mapping[str, Any], observed: Mapping[str, Any]) -> NoChange | Update:
    """Compare the desired fields with the observed ones; other observed fields are ignored."""
    differing = {}
    for name, wanted in desired.items():
        current = observed.get(name)
        if name.lower() == "tags" and isinstance(current, Mapping):
            current = _only(current, wanted)
        if wanted not in (UNKNOWN, current):
            differing[name] = (current, wanted)
    return Update(differing) if differing else NoChange()


def _only(tags: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The tags that are wanted: others may add theirs."""
    return {key: tags[key] for key in wanted if tags.get(key) is not None}


def refuse_conflict(change: Change) -> None:
    """Raise `ResourceConflict` when the change is a conflict."""
    if isinstance(change, Conflict):
        raise ResourceConflict(change.reason)
