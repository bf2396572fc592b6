"""
The tool's own requests during a step: side by side to service and monolith, or in place of missing
users.
"""

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from config.traffic import Gates, Step
from flows.service.placement import Placement
from tasks.cloudwatch.metrics import Window
from tasks.http.client import Response, Session, fetch, open_session
from tasks.http.pacing import pace
from tasks.http.request import Request

__all__ = [
    "OwnRequests",
    "Probes",
    "paced_probe_rate",
    "probe_rate",
    "probing",
    "sampling",
    "synthetic_traffic",
    "window_of_responses",
]

_PROBES_PER_SECOND: Final = 10
_SYNTHETIC_PER_SECOND: Final = 50
_SAMPLES_PER_SECOND: Final = 10
_SAMPLES_A_PERIOD: Final = 100
_MOST_PAIRS: Final = 0.1
"""Pairs of probes of one service in the budget of own requests; a pair is two of these."""
_ALL_PAIRS: Final = 0.2
"""Pairs of probes of all services in it; samples and synthetic traffic need the rest."""
_MOST_OPEN: Final = 4
_PROBES_MARGIN: Final = 2.0
_SYNTHETIC_MARGIN: Final = 1.5


class Probes:
    """The responses to the tool's own requests since a step's change of weight."""

    def __init__(self) -> None:
        self._preview: list[Response] = []
        self._control: list[Response] = []
        self._public: list[Response] = []
        self._public_monolith: list[Response] = []
        self._synthetic: list[Response] = []
        self._sampled: list[Response] = []
        self.pairs: Counter[tuple[int, int]] = Counter()
        """
        How many requests got which first digits of a status, the service's first; the status that a
        check expects is no difference.
        """

    def record_pair(
        self, *, preview: Response, control: Response, expected: int | None = None
    ) -> None:
        """
        Keep the responses of service and monolith to the same request.

        Args:
            preview: The service's.
            control: The monolith's.
            expected: The status that a check of the config expects of the service.
        """
        self._preview.append(_without_body(preview))
        self._control.append(_without_body(control))
        own = preview.status // 100
        other = own if preview.status == expected else control.status // 100
        self.pairs[own, other] += 1

    def record_public(self, responses: Iterable[Response]) -> None:
        """Keep responses that the service gave on the public route."""
        self._public += [_without_body(response) for response in responses]

    def record_monolith(self, responses: Iterable[Response]) -> None:
        """Keep responses on the public route that the service did not give."""
        self._public_monolith += [_without_body(response) for response in responses]

    def record_synthetic(self, response: Response) -> None:
        """Keep a response on the public route, from either side, in place of a user's."""
        self._synthetic.append(_without_body(response))

    def record_sample(self, response: Response) -> None:
        """Keep a response on the public route, from either side, that is not for a user."""
        self._sampled.append(_without_body(response))

    @property
    def of_service(self) -> Window:
        """What the service responded on its preview route."""
        return window_of_responses(self._preview)

    @property
    def of_monolith(self) -> Window:
        """What the monolith responded to the same requests."""
        return window_of_responses(self._control)

    def counted(self, start: float, end: float) -> list[Response]:
        """
        Those that the load balancer counts among the service's requests.

        Args:
            start: Seconds since the epoch; only what was sent since then,
            end: and before this moment.
        """
        counted = [*self._preview, *self._public]
        return [response for response in counted if start <= response.at < end]

    def sampled(self, start: float, end: float) -> list[Response]:
        """Samples of that span, of which the service got its weight's share; as for `counted`."""
        return [response for response in self._sampled if start <= response.at < end]

    def sent_to_monolith(self, start: float, end: float, weight: int) -> Window:
        """
        Those that the load balancer counts among the monolith's in a span, in which they ended.

        Of samples and synthetic traffic it got its share, by expectation; which of them failed
        there is not known, so all that can have.

        Args:
            start: Seconds since the epoch, inclusive.
            end: Seconds since the epoch, exclusive.
            weight: Percent that the service got.
        """
        known = _ended([*self._control, *self._public_monolith], start, end)
        shared = _ended([*self._synthetic, *self._sampled], start, end)
        part = round(len(shared) * (100 - weight) / 100)
        return Window(
            requests=len(known) + part,
            failed=_count_failed(known) + min(_count_failed(shared), part),
        )

    def count(self, start: float, end: float) -> "OwnRequests":
        """
        Count those that the load balancer counts in a span, which it does when they end.

        Args:
            start: Seconds since the epoch, inclusive.
            end: Seconds since the epoch, exclusive.
        """
        by_either = [*self._synthetic, *self._sampled]
        public = [*self._public, *self._public_monolith, *by_either]
        return OwnRequests(
            public=len(_ended(public, start, end)),
            private=len(_ended(self._preview, start, end)),
        )


@dataclass(frozen=True)
class OwnRequests:
    """Numbers of the tool's own requests."""

    public: int
    """On the public route, to service and monolith by the weights."""
    private: int
    """On the preview route, and as many on the control route."""


def _ended(responses: Sequence[Response], start: float, end: float) -> list[Response]:
    return [response for response in responses if start <= response.at + response.latency < end]


def _count_failed(responses: Sequence[Response]) -> int:
    return sum(response.failed for response in responses)


def _without_body(response: Response) -> Response:
    """Bodies are compared in parity; thousands of them are not kept."""
    return replace(response, body=b"")


@asynccontextmanager
async def probing(placement: Placement, step: Step, probes: Probes) -> AsyncIterator[None]:
    """
    Send service and monolith the same requests, at a low rate, while the block runs; none where the
    gates read only CloudWatch.
    """
    gates = placement.gates
    if gates.source == "cloudwatch":
        yield
        return

    expected = {check.path: check.status for check in placement.service.checks}

    async def probe(session: Session, request: Request) -> None:
        service, monolith = await asyncio.gather(
            fetch(session, placement.preview, request),
            fetch(session, placement.control, request),
        )
        probes.record_pair(preview=service, control=monolith, expected=expected.get(request.path))

    async with _sending(probe, placement.requests, paced_probe_rate(placement, step)):
        yield


@asynccontextmanager
async def synthetic_traffic(
    placement: Placement, step: Step, probes: Probes
) -> AsyncIterator[None]:
    """
    Send safe GETs on the public route while the block runs, where the config has them in place of
    missing users.
    """
    gates = placement.gates
    if gates.too_little_traffic != "synthesize":
        yield
        return

    async def synthesize(session: Session, request: Request) -> None:
        probes.record_synthetic(await fetch(session, placement.user, request))

    async with _sending(synthesize, placement.requests, synthetic_rate(gates, step)):
        yield


@asynccontextmanager
async def sampling(placement: Placement, probes: Probes) -> AsyncIterator[None]:
    """
    Send safe GETs on the public route while the block runs: their number is known, and the weight's
    share of them has to reach the service. Synthetic traffic serves as well.
    """
    gates = placement.gates
    if gates.too_little_traffic == "synthesize":
        yield
        return

    async def sample(session: Session, request: Request) -> None:
        probes.record_sample(await fetch(session, placement.user, request))

    async with _sending(sample, placement.requests, sampling_rate(gates)):
        yield


def sampling_rate(gates: Gates) -> float:
    """Requests a second that are enough in a period of the metrics to show a weight."""
    return min(_SAMPLES_PER_SECOND, max(1.0, _SAMPLES_A_PERIOD / gates.metrics_period))


def probe_rate(gates: Gates, step: Step) -> float:
    """
    Probes a second: twice as many in a bake as a verdict needs, at a rate that does not load the
    service.
    """
    needed = gates.min_requests * _PROBES_MARGIN
    return _rate(needed, step, _PROBES_PER_SECOND)


def paced_probe_rate(placement: Placement, step: Step) -> float:
    """Probes a second that the budget of own requests has room for."""
    config = placement.config
    services = min(config.max_parallel, len(config.services))
    if config.fan_out == "work_pool":
        services = 1  # each has a process, and a part of the budget, to itself
    share = min(_MOST_PAIRS, _ALL_PAIRS / services)
    return min(probe_rate(placement.gates, step), pace().rate * share)


def synthetic_rate(gates: Gates, step: Step) -> float:
    """Requests a second that give the service a little more than `min_requests` during the bake."""
    needed = gates.min_requests * 100 / step.weight * _SYNTHETIC_MARGIN
    return _rate(needed, step, _SYNTHETIC_PER_SECOND)


def _rate(needed: float, step: Step, most: float) -> float:
    seconds = max(step.bake, 1.0)
    return min(most, max(1.0, needed / seconds))


@asynccontextmanager
async def _sending(
    send: Callable[[Session, Request], Coroutine[Any, Any, None]],
    requests: Sequence[Request],
    rate: float,
) -> AsyncIterator[None]:
    """Send one request after the other at a steady rate, however long the responses take."""
    running = asyncio.create_task(_send_steadily(send, requests, rate))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})
    if not running.cancelled():
        running.result()  # it ends by itself without requests, or by a fault


async def _send_steadily(
    send: Callable[[Session, Request], Coroutine[Any, Any, None]],
    requests: Sequence[Request],
    rate: float,
) -> None:
    # Responses that are late, or turns that are rare: then fewer are sent, and none pile up.
    open_requests = asyncio.Semaphore(_MOST_OPEN)
    async with open_session() as session, asyncio.TaskGroup() as sending:
        for request in itertools.cycle(requests):
            await open_requests.acquire()
            sent = sending.create_task(send(session, request))
            sent.add_done_callback(lambda _: open_requests.release())
            await asyncio.sleep(1 / rate)


def window_of_responses(responses: Sequence[Response]) -> Window:
    """Responses as CloudWatch would count them."""
    latencies = sorted(response.latency for response in responses if not response.failed)
    classes = Counter(response.status // 100 for response in responses)
    return Window(
        requests=len(responses),
        failed=sum(response.failed for response in responses),
        responses=(classes[2], classes[3], classes[4]),
        p50=_percentile(latencies, 50),
        p95=_percentile(latencies, 95),
        p99=_percentile(latencies, 99),
    )


def _percentile(latencies: Sequence[float], percent: int) -> float | None:
    if not latencies:
        return None
    rank = math.ceil(len(latencies) * percent / 100)
    return latencies[rank - 1]
