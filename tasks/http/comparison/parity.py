"""Parity: the same safe requests to monolith and candidate, and their responses compared."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prefect import task

from config.aws import AwsConfig
from config.errors import CheckFailed, InvalidConfig
from config.path_pattern import matches
from config.service import ServiceConfig
from tasks.aws.task import log
from tasks.http.client import Route, fetch
from tasks.http.comparison.difference import Difference, compare_responses, why_inconclusive
from tasks.http.comparison.noise import Noise, noise_between
from tasks.http.request import Request
from tasks.http.request_headers import read_headers
from tasks.http.session import Session, open_session

__all__ = [
    "Comparison",
    "ParityResult",
    "compare_with_monolith",
    "parity_paths",
    "parity_requests",
]

_SHOWN: Final = 10
_AT_ONCE: Final = 8
_ASKED_AGAIN: Final = 3
"""Times that the monolith is asked again where the candidate differs."""


@dataclass(frozen=True)
class Comparison:
    """What the responses to one request have shown."""

    request: Request
    difference: Difference | None = None
    inconclusive: str | None = None
    """Why they show nothing."""
    noise: tuple[str, ...] = ()
    """What was ignored, as the monolith's own responses differ in it."""


@dataclass(frozen=True)
class ParityResult:
    """What all comparisons have shown."""

    comparisons: tuple[Comparison, ...]

    @property
    def differences(self) -> list[str]:
        """The differences as text."""
        return [str(item.difference) for item in self.comparisons if item.difference]

    @property
    def inconclusive(self) -> list[str]:
        """The requests that show nothing, each with the reason."""
        return [
            f"{item.request}: {item.inconclusive}" for item in self.comparisons if item.inconclusive
        ]

    @property
    def noise(self) -> list[str]:
        """What was ignored in each request's responses."""
        noisy = [item for item in self.comparisons if item.noise]
        return [f"{item.request}: {', '.join(item.noise)}" for item in noisy]

    @property
    def matched(self) -> int:
        """How many responses match."""
        return len(self.comparisons) - len(self.differences) - len(self.inconclusive)

    @property
    def numbers(self) -> dict[str, Any]:
        """For the record."""
        return {
            "compared": len(self.comparisons),
            "matched": self.matched,
            "differences": self.differences,
            "inconclusive": self.inconclusive,
            "noise": self.noise,
        }

    def __str__(self) -> str:
        """For example `parity: 4/5 responses match, 1 inconclusive`."""
        text = f"parity: {self.matched}/{len(self.comparisons)} responses match"
        if self.inconclusive:
            text += f", {len(self.inconclusive)} inconclusive"
        if self.noise:
            text += f"; ignored as noise: {'; '.join(self.noise)}"
        return text


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


def parity_requests(aws: AwsConfig, service: ServiceConfig) -> list[Request]:
    """
    The requests to compare, with their headers.

    Raises:
        CheckFailed: A request header cannot be read.
        InvalidConfig: The file of paths cannot be read.
    """
    headers = read_headers(aws, service.parity_headers)
    method = service.parity.method
    return [Request(path, method, headers) for path in parity_paths(service)]


@task(
    name="compare with monolith",
    task_run_name="compare {service.name} with the monolith",
    tags=["http"],
    persist_result=False,
)
async def compare_with_monolith(
    service: ServiceConfig, monolith: Route, candidate: Route, requests: Sequence[Request]
) -> ParityResult:
    """
    Send each request to the monolith, to the candidate, and to the monolith again, and compare the
    responses; what the monolith's own two differ in is noise.

    Args:
        service: The service.
        monolith: The route to the monolith alone.
        candidate: The route to the service alone.
        requests: The requests; at least one.

    Returns:
        What they have shown, with differences only where the config allows them.

    Raises:
        CheckFailed: There are differences, or no pair shows anything; its numbers are those of the
            result.
    """
    result = await _compare_all(service, monolith, candidate, requests)
    if result.differences and not service.parity.allow_differences:
        raise CheckFailed(_explain_differences(service, result), result.numbers)
    if len(result.inconclusive) == len(requests):
        raise CheckFailed(_explain_inconclusive(service, result), result.numbers)
    log().info("%s: %s", service.name, result)
    return result


async def _compare_all(
    service: ServiceConfig, monolith: Route, candidate: Route, requests: Sequence[Request]
) -> ParityResult:
    limit = asyncio.Semaphore(_AT_ONCE)
    async with open_session() as session:

        async def compare(request: Request) -> Comparison:
            async with limit:
                return await _compare(session, service, monolith, candidate, request)

        found = await asyncio.gather(*(compare(request) for request in requests))
    return ParityResult(tuple(found))


async def _compare(
    session: Session, service: ServiceConfig, monolith: Route, candidate: Route, request: Request
) -> Comparison:
    """
    The candidate is asked between the monolith's two: what changes with time differs in both.

    Where it still differs, the monolith is asked again: its noise may show only now and then.
    """
    first = await fetch(session, monolith, request)
    actual = await fetch(session, candidate, request)
    noise = Noise()
    difference = None
    for _ in range(_ASKED_AGAIN):
        again = await fetch(session, monolith, request)
        noise |= noise_between(first, again, service.parity)
        reason = why_inconclusive(first, actual, _expected(service, request), noise)
        if reason:
            return Comparison(request, inconclusive=reason)
        difference = compare_responses(request.path, first, actual, service.parity, noise)
        if difference is None:
            break
    if noise.body and difference is None:
        reason = "the monolith's own responses have nothing in common"
        return Comparison(request, inconclusive=reason)
    return Comparison(request, difference, noise=tuple(noise.lines()))


def _expected(service: ServiceConfig, request: Request) -> set[int]:
    """The statuses that checks of the request's path expect."""
    return {check.status for check in service.checks if check.path == request.path}


def _explain_differences(service: ServiceConfig, result: ParityResult) -> str:
    compared = len(result.comparisons)
    head = f"{service.name}: parity: {len(result.differences)}/{compared} responses differ:"
    lines = [f"  {difference}" for difference in result.differences]
    return "\n".join([head, *lines])


def _explain_inconclusive(service: ServiceConfig, result: ParityResult) -> str:
    head = (
        f"{service.name}: parity: none of {len(result.comparisons)} pairs of responses shows "
        "anything; give parity request_headers with which the monolith answers, choose other "
        "paths, or add checks that expect these statuses:"
    )
    lines = [f"  {reason}" for reason in result.inconclusive[:_SHOWN]]
    return "\n".join([head, *lines])
