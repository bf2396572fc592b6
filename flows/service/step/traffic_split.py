"""Whether the observed split of traffic follows the weights."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final

from flows.record.events import emit
from flows.service.step.analysis import StepAnalysis
from flows.service.step.request_rate import wait_for_counts
from tasks.http.client import Response, Route, Session, fetch, open_session
from tasks.http.request import Request

__all__ = ["wait_for_split"]

_FEWEST: Final = 100
_MOST: Final = 1000
_EXPECTED: Final = 10
_AT_ONCE: Final = 10
_SIGMAS: Final = 3.0
_PAUSE: Final = 0.5
_CLEAR: Final = math.log(100)
_STRAY: Final = 0.005


async def wait_for_split(analysis: StepAnalysis) -> None:
    """
    Wait until the observed split follows the weights: before that, a bake means nothing.

    Where every backend names itself in a header, the tool's own requests on the public route are
    counted by backend. Elsewhere the request counts of both target groups have to show it.

    Args:
        analysis: The step that was just taken.

    Raises:
        GateFailed: It did not happen within `wait_limit`; not in a dry run.
    """
    backends = await _read_backends(analysis)
    if backends is None:
        await wait_for_counts(analysis)
    else:
        await _wait_by_header(analysis, backends)


@dataclass(frozen=True)
class _Backends:
    """The header in which backends name themselves, and the two names."""

    header: str
    service: str
    monolith: str

    @property
    def are_distinct(self) -> bool:
        """Whether the names show which of the two responded."""
        if not self.service or not self.monolith:
            return False
        return self.service != self.monolith

    def of(self, response: Response) -> str | None:
        """The backend that gave a response; None for any other, e.g. the load balancer itself."""
        name: str | None = response.headers.get(self.header)
        if name in (self.service, self.monolith):
            return name
        return None


async def _read_backends(analysis: StepAnalysis) -> _Backends | None:
    """The names of service and monolith; None where there is no header that distinguishes them."""
    placement = analysis.placement
    header = placement.config.listener.backend_header
    if header is None:
        return None
    requests = placement.requests
    backends = _Backends(
        header=header,
        service=await _first_name(placement.preview, requests, header),
        monolith=await _first_name(placement.control, requests, header),
    )
    if backends.are_distinct:
        return backends
    if requests:
        _emit_not_distinct(placement.name, backends)
    return None


async def _first_name(route: Route, requests: Sequence[Request], header: str) -> str:
    async with open_session() as session:
        for request in requests:
            response = await fetch(session, route, request)
            name = response.headers.get(header)
            if name:
                return str(name)
    return ""


def _emit_not_distinct(name: str, backends: _Backends) -> None:
    text = (
        f"header {backends.header} does not distinguish the service ({backends.service!r}) from "
        f"the monolith ({backends.monolith!r}): observing CloudWatch's request counts instead"
    )
    emit("note", name, text)


@dataclass(frozen=True)
class _Sample:
    """Who responded to a number of requests on the public route."""

    weight: int
    requests: int
    """Those that a backend responded to."""
    reached: int
    """Those of them that reached the service."""

    @property
    def observed(self) -> float:
        """Percent that reached the service."""
        if self.requests == 0:
            return 0.0
        return 100 * self.reached / self.requests

    @property
    def numbers(self) -> dict[str, Any]:
        """For the record."""
        return {
            "observed": round(self.observed, 1),
            "expected": self.weight,
            "unit": "percent",
            "requests": self.requests,
            "reached": self.reached,
        }

    def matches(self, tolerance: float) -> bool:
        """Whether the observed split is the expected one, within tolerance and chance."""
        if self.reached == 0:
            return False
        chance = chance_deviation(self.weight, self.requests)
        deviation = abs(self.observed - self.weight)
        return deviation <= tolerance + chance

    def is_clear(self, before: int, tolerance: float) -> bool:
        """
        Whether more requests would not change the verdict: the sample fits one of two weights, and
        hardly the other.

        Args:
            before: Percent that the service had before the step.
            tolerance: As for `matches`.
        """
        evidence = self._evidence_against(before)
        if evidence <= -_CLEAR:
            return True
        return evidence >= _CLEAR and self.matches(tolerance)

    def _evidence_against(self, before: int) -> float:
        """The logarithm of how much likelier this sample is at the new weight."""
        share = _possible(self.weight)
        former = _possible(before)
        missed = self.requests - self.reached
        evidence = self.reached * math.log(share / former)
        return evidence + missed * math.log((1 - share) / (1 - former))

    def __str__(self) -> str:
        """For example `9% of 100 requests`."""
        return f"{self.observed:.0f}% of {self.requests} requests"


def _possible(weight: int) -> float:
    """A weight as a share that allows a few requests of the other kind."""
    return min(1 - _STRAY, max(_STRAY, weight / 100))


def chance_deviation(weight: int, requests: int) -> float:
    """Percentage points by which a correct split may miss the weight in so many requests."""
    share = weight / 100
    standard_error = math.sqrt(share * (1 - share) / requests)
    return 100 * _SIGMAS * standard_error


async def _wait_by_header(analysis: StepAnalysis, backends: _Backends) -> None:
    """Take samples until one matches, or the time is over."""
    deadline = time.monotonic() + analysis.gates.wait_limit
    async with open_session() as session:
        while True:
            sample = await _take_sample(session, analysis, backends)
            if sample.matches(analysis.gates.tolerance):
                _emit_match(analysis, sample)
                return
            if time.monotonic() > deadline:
                analysis.fail_check(_explain(analysis, sample), sample.numbers)
                return
            await asyncio.sleep(_PAUSE)


def _emit_match(analysis: StepAnalysis, sample: _Sample) -> None:
    text = f"observed split: {sample} reached {analysis.name}, {sample.weight}% expected"
    analysis.emit_check("pass", text, sample.numbers)


def _explain(analysis: StepAnalysis, sample: _Sample) -> str:
    return (
        f"observed split: {sample} reached {analysis.name} {analysis.gates.wait_limit:g} s after "
        f"weight {sample.weight}% was set; check which other rule matches its paths"
    )


async def _take_sample(session: Session, analysis: StepAnalysis, backends: _Backends) -> _Sample:
    """
    Request the public route, and count which backend responded, until the counts are clear.

    As the monolith has to answer these requests beside its users', none is sent that is not needed.
    """
    weight = analysis.step.weight
    before = analysis.previous.step.weight if analysis.previous else 0
    sample = _Sample(weight, 0, 0)
    requests = cycle(analysis.placement.requests)
    for _ in range(0, sample_size(weight), _AT_ONCE):
        batch = islice(requests, _AT_ONCE)
        sending = [fetch(session, analysis.placement.user, request) for request in batch]
        responses = await asyncio.gather(*sending)
        named = [backends.of(response) for response in responses]
        reached = _reached(responses, named, backends.service)
        analysis.probes.record_public(reached)
        analysis.probes.record_monolith(_others(responses, named, backends.service))
        sample = _Sample(
            weight=weight,
            requests=sample.requests + sum(name is not None for name in named),
            reached=sample.reached + len(reached),
        )
        if sample.is_clear(before, analysis.gates.tolerance):
            break
    return sample


def _reached(
    responses: Sequence[Response], named: Sequence[str | None], service: str
) -> list[Response]:
    """The responses that the service gave."""
    pairs = zip(responses, named, strict=True)
    return [response for response, name in pairs if name == service]


def _others(
    responses: Sequence[Response], named: Sequence[str | None], service: str
) -> list[Response]:
    """Those of the monolith, and those without a name: the load balancer's errors in its place."""
    pairs = zip(responses, named, strict=True)
    return [response for response, name in pairs if name != service]


def sample_size(weight: int) -> int:
    """At least a hundred requests, and enough for ten of them to reach a service of this weight."""
    enough = math.ceil(_EXPECTED * 100 / weight)
    return min(_MOST, max(_FEWEST, enough))
