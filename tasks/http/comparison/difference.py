"""In what the responses of monolith and candidate to one request differ."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from config.proof.requests import Parity
from tasks.http.client import Response
from tasks.http.comparison.content import (
    Json,
    Text,
    differing_words,
    read_content,
    without_fields,
)
from tasks.http.comparison.headers import compared_headers
from tasks.http.comparison.json_value import same_json
from tasks.http.comparison.noise import Noise
from tasks.http.request_headers import without_secrets

__all__ = ["Difference", "compare_responses", "why_inconclusive"]

_SHOWN: Final = 400
_SHOWN_BEFORE: Final = 100
_NO_NOISE: Final = Noise()
_RATE_LIMITED: Final = 429
_LOGIN: Final = re.compile(
    r"/(log[-_]?in|sign[-_]?in|auth|oauth2?|sso|saml2?|openid-connect|session/new)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Difference:
    """In what the two responses to one request differ."""

    path: str
    what: str
    monolith: str
    candidate: str
    method: str = "GET"

    def __str__(self) -> str:
        """Both sides, one above the other."""
        text = (
            f"{self.method} {self.path}: {self.what}\n"
            f"      monolith:  {self.monolith}\n"
            f"      candidate: {self.candidate}"
        )
        return without_secrets(text)


def why_inconclusive(
    monolith: Response, candidate: Response, expected: Collection[int], noise: Noise = _NO_NOISE
) -> str | None:
    """
    Why two responses show nothing about the service; None when they can be compared.

    Two errors are equal also where the service works in no other case: behind a login, a firewall
    or a rate limit.

    Args:
        monolith: The monolith's response.
        candidate: The service's.
        expected: The statuses that checks of this path expect.
        noise: In what the monolith's own responses differ.
    """
    if monolith.error:
        return f"the monolith gave no response ({monolith.error})"
    if noise.status:
        return "the monolith answered twice with different statuses"
    if monolith.status in expected:
        return None
    return _why_blocked(monolith, candidate)


def _why_blocked(monolith: Response, candidate: Response) -> str | None:
    """Why the tool's own requests do not get what users get."""
    if monolith.status == _RATE_LIMITED:
        return f"the monolith answered {monolith.status}"
    if monolith.status >= 400 and monolith.status == candidate.status:
        return f"both answered {monolith.status}"
    if _is_login(monolith) and _is_login(candidate):
        return "both redirect to a login"
    return None


def _is_login(response: Response) -> bool:
    if not 300 <= response.status < 400:
        return False
    location = str(response.headers.get("Location", ""))
    return _LOGIN.search(location) is not None


def compare_responses(
    path: str,
    monolith: Response,
    candidate: Response,
    parity: Parity,
    noise: Noise = _NO_NOISE,
) -> Difference | None:
    """The first difference of two responses: status, headers or body; None if they match."""
    if monolith.error or candidate.error:
        return Difference(path, "no response", _result(monolith), _result(candidate), parity.method)
    if monolith.status != candidate.status:
        statuses = (str(monolith.status), str(candidate.status))
        return Difference(path, "status", *statuses, parity.method)
    return _compare_headers(path, monolith, candidate, parity, noise) or _compare_bodies(
        path, monolith, candidate, parity, noise
    )


def _result(response: Response) -> str:
    if response.error:
        return response.error
    return f"status {response.status}"


def _compare_headers(
    path: str, monolith: Response, candidate: Response, parity: Parity, noise: Noise
) -> Difference | None:
    expected = compared_headers(monolith, parity)
    actual = compared_headers(candidate, parity)
    for name, value in expected.items():
        if name not in noise.headers and value != actual[name]:
            what = "content type" if name == "Content-Type" else f"header {name}"
            return Difference(path, what, value, actual[name], parity.method)
    return None


def _compare_bodies(
    path: str, monolith: Response, candidate: Response, parity: Parity, noise: Noise
) -> Difference | None:
    """The difference has both bodies, cut to what surrounds the first place where they differ."""
    if noise.body:
        return None
    match read_content(monolith), read_content(candidate):
        case Json(left), Json(right):
            expected: Any = without_fields(left, noise.fields, parity)
            actual: Any = without_fields(right, noise.fields, parity)
            matches = same_json(expected, actual)
            texts = (json.dumps(expected, sort_keys=True), json.dumps(actual, sort_keys=True))
        case Text() as one, Text() as other:
            matches = _same_words(one, other, noise)
            texts = (_decoded(monolith), _decoded(candidate))
        case _:
            matches = False
            texts = (_decoded(monolith), _decoded(candidate))
    return None if matches else _difference(path, *texts, parity.method)


def _same_words(one: Text, other: Text, noise: Noise) -> bool:
    places = differing_words(one, other)
    return places is not None and places <= noise.words


def _decoded(response: Response) -> str:
    return response.body.decode("utf-8", "replace")


def _difference(path: str, expected: str, actual: str, method: str) -> Difference:
    place = _first_difference(expected, actual)
    start = max(0, place - _SHOWN_BEFORE)
    return Difference(
        path=path,
        what="body",
        monolith=_excerpt(expected, start),
        candidate=_excerpt(actual, start),
        method=method,
    )


def _first_difference(one: str, other: str) -> int:
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))


def _excerpt(text: str, start: int) -> str:
    shown = text[start : start + _SHOWN]
    if start == 0:
        return shown
    return f"…{shown}"
