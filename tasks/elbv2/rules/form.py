"""
The form of a rule: everything that it does, apart from its weights, in a comparable text.

ELBv2 describes a rule in other words than those in which it was made: in two forms of conditions,
with empty lists, with the default of what was left out.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tasks.elbv2.rules.condition import read_condition

__all__ = ["Form", "form_of", "stickiness_of"]

_DIGITS: Final = 12


@dataclass(frozen=True)
class Form:
    """Two short hashes."""

    matches: str
    """Of the conditions and transforms: which requests it takes, and how it rewrites them."""
    actions: str
    """Of the actions, without weights."""

    def __str__(self) -> str:
        """As the value of a tag."""
        return f"{self.matches}-{self.actions}"

    @classmethod
    def from_text(cls, text: str) -> "Form":
        """Of the value of a tag."""
        matches, _, actions = text.partition("-")
        return cls(matches, actions)


def form_of(
    conditions: Iterable[Mapping[str, Any]],
    actions: Sequence[Mapping[str, Any]],
    transforms: Iterable[Mapping[str, Any]] = (),
) -> Form:
    """
    The form of a rule.

    Args:
        conditions: As ELBv2 takes or describes them.
        actions: The same.
        transforms: The same.
    """
    matches = {
        "conditions": _sorted(map(_condition_form, conditions)),
        "transforms": list(map(_without_empty, transforms)),
    }
    return Form(_hash(matches), _hash(list(map(_action_form, actions))))


def _hash(value: Any) -> str:
    text = _as_text(value)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _sorted(items: Iterable[Any]) -> list[Any]:
    """In an order that does not depend on that of AWS's response."""
    return sorted(items, key=_as_text)


def _condition_form(described: Mapping[str, Any]) -> dict[str, Any]:
    condition = read_condition(described)
    form = {
        "field": condition.field,
        "values": sorted(condition.values),
        "regexes": sorted(condition.regexes),
        "header": (condition.header or "").lower(),
    }
    if condition.unknown:
        form["unknown"] = _as_text(described)
    return form


def _action_form(described: Mapping[str, Any]) -> Any:
    if described["Type"] != "forward":
        # An order says nothing about an action without others, and with others it is their order.
        rest = {name: described[name] for name in described if name != "Order"}
        return _without_empty(rest)
    config = described.get("ForwardConfig") or {}
    groups = config.get("TargetGroups") or [described]
    return {
        "forward": sorted({group["TargetGroupArn"] for group in groups}),
        "sticky": stickiness_of(described),
    }


def stickiness_of(action: Mapping[str, Any]) -> int | None:
    """
    For how long a forward keeps clients on their target group.

    Returns:
        Seconds, 0 where it does not name them; None without group stickiness.
    """
    config = action.get("ForwardConfig") or {}
    stickiness = config.get("TargetGroupStickinessConfig") or {}
    if not stickiness.get("Enabled"):
        return None
    return int(stickiness.get("DurationSeconds") or 0)


def _without_empty(value: Any) -> Any:
    """A value without what is empty, at every depth."""
    if isinstance(value, Mapping):
        cleaned = {name: _without_empty(value[name]) for name in value}
        return {name: cleaned[name] for name in cleaned if cleaned[name] not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [_without_empty(item) for item in value]
    return value
