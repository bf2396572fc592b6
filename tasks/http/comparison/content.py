"""The body of a response as parity compares it: JSON, or the words of anything else."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from config.proof.requests import Parity
from tasks.http.client import Response
from tasks.http.comparison.json_value import same_json, with_sorted_lists, without_field

__all__ = [
    "Json",
    "Text",
    "differing_pointers",
    "differing_words",
    "read_content",
    "without_fields",
]

_BETWEEN_WORDS: Final = re.compile(rb"""([\s<>"'&;,]+)""")
_MISSING: Final = object()


@dataclass(frozen=True)
class Json:
    """A JSON value."""

    value: Any


@dataclass(frozen=True)
class Text:
    """The words of a body, with what is between them."""

    words: tuple[bytes, ...]


def read_content(response: Response) -> Json | Text:
    """The body: JSON where its content type and its text are; its words otherwise."""
    if response.content_type.endswith("json"):
        try:
            return Json(json.loads(response.body))
        except ValueError:
            pass
    return Text(tuple(_BETWEEN_WORDS.split(response.body)))


def differing_words(one: Text, other: Text) -> set[int] | None:
    """The places at which two texts differ; None when they have not the same number of words."""
    if len(one.words) != len(other.words):
        return None
    pairs = enumerate(zip(one.words, other.words, strict=True))
    return {place for place, (left, right) in pairs if left != right}


def differing_pointers(one: Any, other: Any) -> set[str]:
    """
    JSON pointers of the fields in which two values differ; an empty pointer means all of it.

    A field of an object in a list counts for every object of the list: `/*/at`.
    """
    return {_general(parts) for parts in _differences(one, other, ())}


def _differences(one: Any, other: Any, place: tuple[str | int, ...]) -> Iterator[tuple[Any, ...]]:
    match one, other:
        case dict(), dict():
            for key in {**one, **other}:
                left = one.get(key, _MISSING)
                right = other.get(key, _MISSING)
                yield from _differences(left, right, (*place, key))
        case list(), list() if len(one) == len(other):
            for index, (left, right) in enumerate(zip_longest(one, other)):
                yield from _differences(left, right, (*place, index))
        case _ if not same_json(one, other):
            yield place


def _general(parts: tuple[str | int, ...]) -> str:
    """A pointer, in which an index before a key stands for every item."""
    pointer = ""
    for position, part in enumerate(parts):
        following = parts[position + 1 :]
        if isinstance(part, int) and any(isinstance(item, str) for item in following):
            pointer += "/*"
        else:
            escaped = str(part).replace("~", "~0").replace("/", "~1")
            pointer += f"/{escaped}"
    return pointer


def without_fields(value: Any, pointers: Iterable[str], parity: Parity) -> Any:
    """A JSON value as it is compared: without some fields and what the config ignores."""
    # From the last item of a list on: removing one moves those behind it.
    for pointer in sorted(pointers, key=_last_index, reverse=True):
        value = without_field(value, pointer)
    for pointer in parity.ignore:
        value = without_field(value, pointer)
    return with_sorted_lists(value) if parity.unordered else value


def _last_index(pointer: str) -> int:
    last = pointer.rpartition("/")[2]
    return int(last) if last.isdecimal() else -1
