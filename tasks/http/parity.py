"""Parity: the same safe requests to monolith and candidate, compared."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from prefect import task

from config.errors import CheckFailed, InvalidConfig
from config.path_pattern import matches
from config.service import Parity, ServiceConfig
from tasks.aws.task import log
from tasks.http.client import Response, Route, fetch, open_session
from tasks.http.json_value import same_json

__all__ = ["Difference", "compare_answers", "compare_with_monolith", "parity_paths"]

_SHOWN: Final = 400
_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Difference:
    """Where two answers to one request differ."""

    path: str
    what: str
    monolith: str
    candidate: str

    def __str__(self) -> str:
        """Both sides, one above the other."""
        return (
            f"GET {self.path}: {self.what}\n      monolith:  {self.monolith}\n      candidate: "
            f"{self.candidate}"
        )


def parity_paths(service: ServiceConfig) -> list[str]:
    """
    The paths to compare: the listed ones, and a sample of the file's that the service takes over.

    Raises:
        InvalidConfig: The file cannot be read.
    """
    parity = service.parity
    sample: list[str] = []
    if parity.paths_file:
        try:
            lines = parity.paths_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfig(
                f"services.{service.name}.parity.paths_file: {parity.paths_file} cannot be read "
                f"({error}); "
                "give a text file with one path a line"
            ) from None
        wanted = dict.fromkeys(line.strip() for line in lines)
        own = [path for path in wanted if path.startswith("/") and _takes_over(service, path)]
        stride = max(1, -(-len(own) // parity.sample))
        sample = own[::stride]
    return list(dict.fromkeys([*parity.paths, *sample]))


def _takes_over(service: ServiceConfig, path: str) -> bool:
    return any(matches(pattern, path.partition("?")[0]) for pattern in service.path_patterns)


def compare_answers(
    path: str, monolith: Response, candidate: Response, parity: Parity
) -> Difference | None:
    """
    The first thing in which two answers differ: status, content type, body; None when they are
    alike.
    """
    if monolith.error or candidate.error:
        sides = [answer.error or f"status {answer.status}" for answer in (monolith, candidate)]
        return Difference(path, "no answer", *sides)
    if monolith.status != candidate.status:
        return Difference(path, "status", str(monolith.status), str(candidate.status))
    if monolith.content_type != candidate.content_type:
        return Difference(path, "content type", monolith.content_type, candidate.content_type)
    one, other = (_content(answer, parity) for answer in (monolith, candidate))
    if same_json(one, other):
        return None
    return Difference(path, "body", *_where_they_differ(one, other))


def _content(answer: Response, parity: Parity) -> Any:
    if not answer.content_type.endswith("json"):
        return answer.body
    try:
        data = json.loads(answer.body)
    except ValueError:
        return answer.body
    for pointer in parity.ignore:
        data = _without(data, pointer.strip("/").split("/"))
    return _sorted(data) if parity.unordered else data


def _without(data: Any, pointer: list[str]) -> Any:
    """The data without what the pointer leads to; `*` is any key or item."""
    head, *rest = pointer
    if isinstance(data, dict):
        hit = {key for key in data if head in ("*", _escape(key))}
        if not rest:
            return {key: value for key, value in data.items() if key not in hit}
        return {key: _without(value, rest) if key in hit else value for key, value in data.items()}
    if isinstance(data, list):
        hits = [head in ("*", str(index)) for index in range(len(data))]
        if not rest:
            return [value for value, hit in zip(data, hits, strict=True) if not hit]
        return [
            _without(value, rest) if hit else value for value, hit in zip(data, hits, strict=True)
        ]
    return data


def _escape(key: str) -> str:
    """A key as JSON pointers write it (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _sorted(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _sorted(value) for key, value in data.items()}
    if isinstance(data, list):
        return sorted(
            (_sorted(item) for item in data), key=lambda item: json.dumps(item, sort_keys=True)
        )
    return data


def _where_they_differ(one: Any, other: Any) -> tuple[str, str]:
    """Both contents, cut to the surroundings of their first difference."""
    left, right = (
        side.decode("utf-8", "replace")
        if isinstance(side, bytes)
        else json.dumps(side, sort_keys=True)
        for side in (one, other)
    )
    places = enumerate(zip_longest(left, right))
    first = next((place for place, (a, b) in places if a != b), 0)
    start = max(0, first - _SHOWN // 4)
    cut = slice(start, start + _SHOWN)
    return ("…" if start else "") + left[cut], ("…" if start else "") + right[cut]


@task(
    name="compare with monolith",
    task_run_name="compare {service.name} with the monolith",
    tags=["http"],
)
async def compare_with_monolith(
    service: ServiceConfig, monolith: Route, candidate: Route, paths: Sequence[str]
) -> list[Difference]:
    """
    Send each GET to both, and compare.

    Args:
        service: The service.
        monolith: The route to the monolith alone.
        candidate: The route to the service alone.
        paths: What to ask.

    Returns:
        The differences, which the config allows.

    Raises:
        CheckFailed: With the differences side by side, where the config does not allow them.
    """
    limit = asyncio.Semaphore(_AT_ONCE)

    async with open_session() as session:

        async def compare(path: str) -> Difference | None:
            async with limit:
                both = await asyncio.gather(
                    fetch(session, monolith, path), fetch(session, candidate, path)
                )
            return compare_answers(path, *both, service.parity)

        found = await asyncio.gather(*(compare(path) for path in paths))
    differences = [difference for difference in found if difference]
    if differences and not service.parity.allow_differences:
        lines = [f"  {difference}" for difference in differences]
        raise CheckFailed(
            "\n".join(
                [
                    (
                        f"{service.name} answers {len(differences)} of {len(paths)} requests "
                        "differently:"
                    ),
                    *lines,
                ]
            )
        )
    log().info(
        "%s: %d of %d answers are the monolith's",
        service.name,
        len(paths) - len(differences),
        len(paths),
    )
    return differences
