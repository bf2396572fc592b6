"""Whether the split of traffic that is observed is the one that the weights ask for."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final, Literal

from config.errors import GateFailed
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.record.events import emit
from flows.service.analysis import StepAnalysis
from tasks.aws.call import call
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests
from tasks.http.client import Response, Route, Session, fetch, open_session

__all__ = ["Observed", "wait_for_split", "wait_until_idle"]

_FEWEST: Final = 100
_MOST: Final = 1000
_EXPECTED: Final = 10
_AT_ONCE: Final = 10
_SIGMAS: Final = 3.0
_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_IDLE_PERIODS: Final = 10


@dataclass(frozen=True)
class Observed:
    """What reached the service at a weight."""

    weight: int
    rate: float
    """Requests a second that the load balancer sent to its target group."""


async def wait_for_split(analysis: StepAnalysis, previous: Observed | None) -> Observed | None:
    """
    Wait until the observed split follows the weights: before that, a bake means nothing.

    Where every backend names itself in a header, the tool's own requests on the public route are
    counted by backend. Elsewhere the traffic of the service's target group has to grow as the
    weights do: the monolith's group does not show the share, since other paths reach it too.

    Args:
        analysis: The step that was just taken.
        previous: What was observed at the step before.

    Returns:
        What was observed; None where it was counted by header, or is not known and need not be.

    Raises:
        GateFailed: It did not happen within `wait_limit`; not in a dry run.
    """
    backends = await _read_backends(analysis)
    if backends is None:
        return await _wait_by_rate(analysis, previous)
    await _wait_by_header(analysis, backends)
    return None


@dataclass(frozen=True)
class _Backends:
    """The header in which backends name themselves, and the two names."""

    header: str
    service: str
    monolith: str

    @property
    def are_distinct(self) -> bool:
        return bool(self.service and self.monolith) and self.service != self.monolith

    def of(self, response: Response) -> str | None:
        """The backend that gave a response; None for any other, e.g. the load balancer itself."""
        name = response.headers.get(self.header)
        return name if name in (self.service, self.monolith) else None


async def _read_backends(analysis: StepAnalysis) -> _Backends | None:
    """The names of service and monolith; None where there is no header that distinguishes them."""
    placement = analysis.placement
    header = placement.config.listener.backend_header
    if header is None:
        return None
    async with open_session() as session:
        backends = _Backends(
            header=header,
            service=await _first_name(session, placement.preview, placement.probe_paths, header),
            monolith=await _first_name(session, placement.control, placement.probe_paths, header),
        )
    if backends.are_distinct:
        return backends
    if placement.probe_paths:
        text = (
            f"header {header} does not distinguish the service ({backends.service!r}) from the "
            f"monolith ({backends.monolith!r}): observing CloudWatch's request counts instead"
        )
        emit("note", placement.name, text)
    return None


async def _first_name(session: Session, route: Route, paths: Sequence[str], header: str) -> str:
    for path in paths:
        response = await fetch(session, route, path)
        name = response.headers.get(header)
        if name:
            return str(name)
    return ""


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
        return 100 * self.reached / max(self.requests, 1)

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
        allowed = tolerance + chance_deviation(self.weight, self.requests)
        return self.reached > 0 and abs(self.observed - self.weight) <= allowed

    def __str__(self) -> str:
        return f"{self.observed:.0f}% of {self.requests} requests"


def chance_deviation(weight: int, requests: int) -> float:
    """Percentage points by which a correct split may miss the weight in so many requests."""
    share = weight / 100
    variance = share * (1 - share) / max(requests, 1)
    return 100 * _SIGMAS * math.sqrt(variance)


async def _wait_by_header(analysis: StepAnalysis, backends: _Backends) -> None:
    gates = analysis.gates
    weight = analysis.step.weight
    deadline = time.monotonic() + gates.wait_limit
    async with open_session() as session:
        while True:
            sample = await _take_sample(session, analysis, backends)
            if sample.matches(gates.tolerance):
                text = f"observed split: {sample} reached {analysis.name}, {weight}% expected"
                _emit_check(analysis, "pass", text, sample.numbers)
                return
            if time.monotonic() > deadline:
                text = (
                    f"observed split: {sample} reached {analysis.name} {gates.wait_limit:g} s "
                    f"after weight {weight}% was set; check which other rule matches its paths"
                )
                _fail(analysis, text, sample.numbers)
                return
            await asyncio.sleep(_PAUSE)


async def _take_sample(session: Session, analysis: StepAnalysis, backends: _Backends) -> _Sample:
    """Requests on the public route: at least a hundred, and enough for a small weight to show."""
    weight = analysis.step.weight
    enough = math.ceil(_EXPECTED * 100 / weight)
    size = min(_MOST, max(_FEWEST, enough))
    responses = await _fetch_public(session, analysis, size)
    counted = [response for response in responses if backends.of(response)]
    reached = [response for response in counted if backends.of(response) == backends.service]
    analysis.probes.record_public(reached)
    return _Sample(weight=weight, requests=len(counted), reached=len(reached))


async def _fetch_public(session: Session, analysis: StepAnalysis, size: int) -> list[Response]:
    placement = analysis.placement
    paths = list(islice(cycle(placement.probe_paths), size))
    responses: list[Response] = []
    for start in range(0, size, _AT_ONCE):
        batch = paths[start : start + _AT_ONCE]
        requests = (fetch(session, placement.user, path) for path in batch)
        responses += await asyncio.gather(*requests)
    return responses


async def _wait_by_rate(analysis: StepAnalysis, previous: Observed | None) -> Observed | None:
    """Compare request rates of the service's target group, from the first whole period on."""
    gates = analysis.gates
    expected = _expected_rate(analysis.step.weight, previous)
    began = time.time() + gates.metrics_period
    deadline = began + gates.metrics_lag + gates.wait_limit
    while True:
        await asyncio.sleep(min(gates.metrics_period, _LONGEST_PAUSE))
        now = time.time()
        seconds = now - gates.metrics_lag - began
        if seconds < gates.metrics_period:
            continue
        traffic = await _read_traffic(analysis, began, seconds, expected)
        if traffic.matches:
            text = f"observed split: {traffic}, at least {expected:.1f} expected"
            _emit_check(analysis, "pass", text, traffic.numbers)
            return Observed(analysis.step.weight, traffic.rate)
        if gates.too_little_traffic == "accept" and seconds >= analysis.step.bake:
            text = f"observed split: {traffic}, too few for a verdict"
            _emit_check(analysis, "inconclusive", text, traffic.numbers)
            return None
        if now > deadline:
            _fail(analysis, _explain_rate(analysis, traffic), traffic.numbers)
            return None


def _expected_rate(weight: int, previous: Observed | None) -> float:
    """
    Halfway between the rate before and what the new weight makes of it: weights that did not take
    effect stay below.
    """
    if previous is None:
        return 0.0
    return previous.rate * (1 + weight / previous.weight) / 2


@dataclass(frozen=True)
class _Traffic:
    """What the load balancer sent to the service's target group."""

    name: str
    requests: int
    rate: float
    """Requests a second."""
    expected: float
    """The least rate that shows that the weights took effect."""

    @property
    def matches(self) -> bool:
        return self.requests > 0 and self.rate >= self.expected

    @property
    def numbers(self) -> dict[str, Any]:
        """For the record."""
        return {
            "observed": round(self.rate, 2),
            "expected": round(self.expected, 2),
            "unit": "requests/s",
            "requests": self.requests,
        }

    def __str__(self) -> str:
        return f"{self.rate:.1f} requests/s reached {self.name}"


async def _read_traffic(
    analysis: StepAnalysis, began: float, seconds: float, expected: float
) -> _Traffic:
    placement = analysis.placement
    requests = await call(
        count_requests,
        placement.config.aws,
        placement.metrics_of(placement.target_group_arn),
        began,
        began + seconds,
        analysis.gates.metrics_period,
    )
    return _Traffic(
        name=placement.name,
        requests=requests,
        rate=requests / seconds,
        expected=expected,
    )


def _explain_rate(analysis: StepAnalysis, traffic: _Traffic) -> str:
    return (
        f"observed split: {traffic} {analysis.gates.wait_limit:g} s after weight "
        f"{analysis.step.weight}% was set, at least {traffic.expected:.1f} expected; check which "
        "other rule matches its paths, or set too_little_traffic to accept"
    )


def _fail(analysis: StepAnalysis, text: str, numbers: dict[str, Any]) -> None:
    """
    Record that the split is not the expected one.

    Raises:
        GateFailed: Except in a dry run.
    """
    _emit_check(analysis, "fail", text, numbers)
    if not analysis.gates.dry_run:
        raise GateFailed(f"{analysis.name}: {text}")


def _emit_check(
    analysis: StepAnalysis,
    verdict: Literal["pass", "fail", "inconclusive"],
    text: str,
    numbers: dict[str, Any],
) -> None:
    weight = analysis.step.weight
    emit("check", analysis.name, text, verdict=verdict, numbers=numbers, weight=weight)


async def wait_until_idle(
    config: SplitConfig, load_balancer_arn: str, service: ServiceConfig, target_group_arn: str
) -> None:
    """
    Wait until the metrics show a whole period without a request; after ten periods, go on with a
    note.

    Args:
        config: The split.
        load_balancer_arn: The load balancer.
        service: The service, whose weights are 0.
        target_group_arn: Its target group.
    """
    gates = config.traffic_of(service).gates
    group = TargetGroupRef.of(load_balancer_arn, target_group_arn)
    period = gates.metrics_period
    since = time.time() + period
    deadline = since + gates.metrics_lag + _IDLE_PERIODS * period
    requests = None
    while (now := time.time()) < deadline:
        await asyncio.sleep(min(period, _LONGEST_PAUSE))
        end = now - gates.metrics_lag
        start = end - period
        if start < since:
            continue
        requests = await call(count_requests, config.aws, group, start, end, period)
        if requests == 0:
            emit("note", service.name, f"no requests reach {service.name}", numbers={"requests": 0})
            return
    text = (
        f"requests still reach {service.name} (over kept-alive connections, or the tool's own "
        "probes); the weights are 100/0"
    )
    emit("note", service.name, text, numbers={"requests": requests})
