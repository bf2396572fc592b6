"""JSON values: equality as JSON defines it, and the normalizations that parity applies."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["same_json", "with_sorted_lists", "without_field"]


def same_json(one: Any, other: Any) -> bool:
    """
    Whether two values are the same JSON: `1` is `1.0`, but `true` is not `1` as
    it is in Python.
    """
    match one, other:
        case dict(), dict():
            return _same_objects(one, other)
        case list(), list():
            return _same_lists(one, other)
        case bool(), bool():
            return one == other
        case (bool(), _) | (_, bool()):
            return False
        case _:
            return bool(one == other)


def _same_objects(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.keys() != other.keys():
        return False
    return all(same_json(value, other[key]) for key, value in one.items())


def _same_lists(one: Sequence[Any], other: Sequence[Any]) -> bool:
    if len(one) != len(other):
        return False
    return all(map(same_json, one, other))


def without_field(data: Any, pointer: str) -> Any:
    """
    The data without the fields that a JSON pointer names.

    Args:
        data: A JSON value.
        pointer: RFC 6901, e.g. `/items/0/id`; `*` is any key or item.
    """
    parts = pointer.strip("/").split("/")
    return _without(data, parts)


def _without(data: Any, pointer: list[str]) -> Any:
    if isinstance(data, dict):
        kept = _kept(data.items(), pointer)
        return dict(kept)
    if isinstance(data, list):
        kept = _kept(enumerate(data), pointer)
        return [value for _, value in kept]
    return data


def _kept(entries: Iterable[tuple[Any, Any]], pointer: list[str]) -> Iterator[tuple[Any, Any]]:
    """The entries of an object or a list that the pointer leaves, by key or index."""
    head, *rest = pointer
    for key, value in entries:
        if head not in ("*", _escaped(key)):
            yield key, value
        elif rest:
            yield key, _without(value, rest)


def _escaped(key: str | int) -> str:
    """A key or an index as a JSON pointer spells it (RFC 6901)."""
    text = str(key)
    text = text.replace("~", "~0")
    return text.replace("/", "~1")


def with_sorted_lists(data: Any) -> Any:
    """The data with every list in the order of its items' JSON."""
    if isinstance(data, dict):
        return {key: with_sorted_lists(value) for key, value in data.items()}
    if isinstance(data, list):
        items = [with_sorted_lists(item) for item in data]
        return sorted(items, key=_sort_key)
    return data


def _sort_key(item: Any) -> str:
    return json.dumps(item, sort_keys=True)
