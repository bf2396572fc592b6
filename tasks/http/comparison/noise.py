"""
Noise: in what the monolith's own responses to one request differ, e.g. a time or a request id.

A service cannot be expected to agree with the monolith where the monolith does not agree with
itself. (Twitter's Diffy compares in this way.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from config.proof.requests import Parity
from tasks.http.client import Response
from tasks.http.comparison.content import (
    Json,
    Text,
    differing_pointers,
    differing_words,
    read_content,
    without_fields,
)
from tasks.http.comparison.headers import compared_headers
from tasks.http.comparison.json_value import same_json

__all__ = ["Noise", "noise_between"]

_MOST_FIELDS: Final = 100


@dataclass(frozen=True)
class Noise:
    """What is ignored of a request's responses."""

    status: bool = False
    """Whether the status differs: then nothing can be compared."""
    body: bool = False
    """Whether the bodies have nothing in common."""
    fields: frozenset[str] = frozenset()
    """JSON pointers."""
    words: frozenset[int] = frozenset()
    """Places of words in a text."""
    headers: frozenset[str] = frozenset()

    def __or__(self, other: "Noise") -> "Noise":
        """Both together."""
        return Noise(
            status=self.status or other.status,
            body=self.body or other.body,
            fields=self.fields | other.fields,
            words=self.words | other.words,
            headers=self.headers | other.headers,
        )

    def lines(self) -> Iterator[str]:
        """For messages, e.g. `/generated_at` or `header Cache-Control`."""
        yield from sorted(self.fields)
        if self.words:
            yield f"{len(self.words)} words"
        for name in sorted(self.headers):
            yield f"header {name}"


def noise_between(one: Response, other: Response, parity: Parity) -> Noise:
    """In what two responses of the monolith to the same request differ."""
    if one.status != other.status:
        return Noise(status=True)
    first = compared_headers(one, parity)
    second = compared_headers(other, parity)
    headers = frozenset(name for name in first if first[name] != second[name])
    return Noise(headers=headers) | _noise_of_bodies(one, other, parity)


def _noise_of_bodies(one: Response, other: Response, parity: Parity) -> Noise:
    match read_content(one), read_content(other):
        case Json(left), Json(right):
            pointers = differing_pointers(left, right)
            if parity.unordered:
                return _noise_in_any_order(left, right, pointers, parity)
            return Noise(body="" in pointers, fields=frozenset(pointers))
        case Text() as left, Text() as right:
            places = differing_words(left, right)
            return Noise(body=places is None, words=frozenset(places or ()))
        case _:
            return Noise(body=True)


def _noise_in_any_order(left: Any, right: Any, pointers: set[str], parity: Parity) -> Noise:
    """
    The fewest of the fields without which both are the same in any order.

    Lists in another order differ in fields that are no noise, and a field that is noise decides
    the order in which items are compared.
    """

    def are_same(ignored: set[str]) -> bool:
        first = without_fields(left, ignored, parity)
        second = without_fields(right, ignored, parity)
        return same_json(first, second)

    if "" in pointers or len(pointers) > _MOST_FIELDS or not are_same(pointers):
        return Noise(body=not are_same(set()))
    noise = set(pointers)
    for pointer in sorted(pointers):
        if are_same(noise - {pointer}):
            noise.discard(pointer)
    return Noise(fields=frozenset(noise))
