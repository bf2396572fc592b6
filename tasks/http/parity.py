"""Parity: the same safe requests to monolith and candidate, and their responses compared."""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prefect import task

from config.errors import CheckFailed, InvalidConfig
from config.path_pattern import matches
from config.requests import Parity
from config.service import ServiceConfig
from tasks.aws.task import log
from tasks.http.client import Response, Route, fetch, open_session
from tasks.http.json_value import same_json, with_sorted_lists, without_field

__all__ = ["Difference", "compare_responses", "compare_with_monolith", "parity_paths"]

_SHOWN: Final = 400
_SHOWN_BEFORE: Final = 100
_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Difference:
    """In what the two responses to one request differ."""

    path: str
    what: str
    monolith: str
    candidate: str

    def __str__(self) -> str:
        """Both sides, one above the other."""
        return (
            f"GET {self.path}: {self.what}\n"
            f"      monolith:  {self.monolith}\n"
            f"      candidate: {self.candidate}"
        )


def parity_paths(service: ServiceConfig) -> list[str]:
    """
    The paths to compare: those listed, and a sample of the file's that the service takes over.

    Raises:
        InvalidConfig: The file cannot be read.
    """
    paths = list(service.parity.paths)
    if service.parity.paths_file:
        paths += _sample(service, service.parity.paths_file)
    return list(dict.fromkeys(paths))


def _sample(service: ServiceConfig, file: Path) -> list[str]:
    """At most so many different paths as configured, evenly spread over the file."""
    lines = [line.strip() for line in _read_lines(service, file)]
    distinct = dict.fromkeys(lines)
    paths = [line for line in distinct if _takes_over(service, line)]
    stride = math.ceil(len(paths) / service.parity.sample)
    return paths[:: max(1, stride)]


def _read_lines(service: ServiceConfig, file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(
            f"services.{service.name}.parity.paths_file: {file} cannot be read ({error}); "
            "give a text file with one path a line"
        ) from None


def _takes_over(service: ServiceConfig, line: str) -> bool:
    path, _, _ = line.partition("?")
    if not path.startswith("/"):
        return False
    return any(matches(pattern, path) for pattern in service.path_patterns)


@task(
    name="compare with monolith",
    task_run_name="compare {service.name} with the monolith",
    tags=["http"],
)
async def compare_with_monolith(
    service: ServiceConfig, monolith: Route, candidate: Route, paths: Sequence[str]
) -> list[Difference]:
    """
    Send each GET to both, and compare the responses.

    Args:
        service: The service.
        monolith: The route to the monolith alone.
        candidate: The route to the service alone.
        paths: The paths to request.

    Returns:
        The differences, which the config allows.

    Raises:
        CheckFailed: With the differences side by side, where the config does not allow them; its
            numbers are `compared`, `matched` and `differences`.
    """
    differences = await _find_differences(service, monolith, candidate, paths)
    if differences and not service.parity.allow_differences:
        raise _failed(service, differences, len(paths))
    matched = len(paths) - len(differences)
    log().info("%s: parity: %d/%d responses match", service.name, matched, len(paths))
    return differences


async def _find_differences(
    service: ServiceConfig, monolith: Route, candidate: Route, paths: Sequence[str]
) -> list[Difference]:
    limit = asyncio.Semaphore(_AT_ONCE)
    async with open_session() as session:

        async def compare(path: str) -> Difference | None:
            async with limit:
                expected, actual = await asyncio.gather(
                    fetch(session, monolith, path),
                    fetch(session, candidate, path),
                )
            return compare_responses(path, expected, actual, service.parity)

        compared = await asyncio.gather(*(compare(path) for path in paths))
    return [difference for difference in compared if difference]


def _failed(
    service: ServiceConfig, differences: Sequence[Difference], compared: int
) -> CheckFailed:
    shown = [str(difference) for difference in differences]
    lines = [f"  {difference}" for difference in shown]
    head = f"{service.name}: parity: {len(differences)}/{compared} responses differ:"
    numbers = {
        "compared": compared,
        "matched": compared - len(differences),
        "differences": shown,
    }
    return CheckFailed("\n".join([head, *lines]), numbers)


def compare_responses(
    path: str, monolith: Response, candidate: Response, parity: Parity
) -> Difference | None:
    """The first difference of two responses: status, content type or body; None if they match."""
    if monolith.error or candidate.error:
        return Difference(path, "no response", _result(monolith), _result(candidate))
    if monolith.status != candidate.status:
        return Difference(path, "status", str(monolith.status), str(candidate.status))
    if monolith.content_type != candidate.content_type:
        return Difference(path, "content type", monolith.content_type, candidate.content_type)
    return _compare_bodies(path, _content(monolith, parity), _content(candidate, parity))


def _result(response: Response) -> str:
    if response.error:
        return response.error
    return f"status {response.status}"


def _content(response: Response, parity: Parity) -> Any:
    """JSON without what may differ, or the bytes of anything else."""
    if not response.content_type.endswith("json"):
        return response.body
    try:
        data = json.loads(response.body)
    except ValueError:
        return response.body
    for pointer in parity.ignore:
        data = without_field(data, pointer)
    return with_sorted_lists(data) if parity.unordered else data


def _text(content: Any) -> str:
    if isinstance(content, bytes):
        return content.decode("utf-8", "replace")
    return json.dumps(content, sort_keys=True)


def _compare_bodies(path: str, monolith: Any, candidate: Any) -> Difference | None:
    """The difference has both bodies, cut to what surrounds the first place where they differ."""
    if same_json(monolith, candidate):
        return None
    expected = _text(monolith)
    actual = _text(candidate)
    place = _first_difference(expected, actual)
    start = max(0, place - _SHOWN_BEFORE)
    return Difference(
        path=path,
        what="body",
        monolith=_excerpt(expected, start),
        candidate=_excerpt(actual, start),
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
