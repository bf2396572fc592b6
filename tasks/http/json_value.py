"""JSON values, compared as JSON means them."""

from typing import Any

__all__ = ["same_json"]


def same_json(one: Any, other: Any) -> bool:
    """
    Whether two values are the same JSON: `1` is `1.0`, but `true` is not `1` as
    it is in Python.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same_json(value, other[key]) for key, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
