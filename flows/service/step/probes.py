"""
The tool's own requests during a step: side by side to service and monolith, or in place of missing
users.
"""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from config.traffic import Gates, Step
from flows.service.placement import Placement
from tasks.cloudwatch.metrics import Window
from tasks.http.client import Response, Session, fetch, open_session
from tasks.http.request import Request

__all__ = ["Probes", "probe_rate", "probing", "synthetic_traffic", "window_of_responses"]

_PROBES_PER_SECOND: Final = 10
_SYNTHETIC_PER_SECOND: Final = 50
_PROBES_MARGIN: Final = 2.0
_SYNTHETIC_MARGIN: Final = 1.5


class Probes:
    """The responses to the tool's own requests since a step's change of weight."""

    def __init__(self) -> None:
        self._preview: list[Response] = []
        self._control: list[Response] = []
        self._public: list[Response] = []

    def record_pair(self, *, preview: Response, control: Response) -> None:
        """Keep the responses of service and monolith to the same request."""
        self._preview.append(preview)
        self._control.append(control)

    def record_public(self, responses: Iterable[Response]) -> None:
        """Keep responses that the service gave on the public route."""
        self._public.extend(responses)

    @property
    def of_service(self) -> Window:
        """What the service responded on its preview route."""
        return window_of_responses(self._preview)

    @property
    def of_monolith(self) -> Window:
        """What the monolith responded to the same requests."""
        return window_of_responses(self._control)

    def counted_until(self, moment: float) -> Window:
        """
        Those that the load balancer counts among the service's requests.

        Args:
            moment: Seconds since the epoch; only what was sent before it.
        """
        counted = [*self._preview, *self._public]
        return window_of_responses([response for response in counted if response.at < moment])


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

    async def probe(session: Session, request: Request) -> None:
        service, monolith = await asyncio.gather(
            fetch(session, placement.preview, request),
            fetch(session, placement.control, request),
        )
        probes.record_pair(preview=service, control=monolith)

    async with _sending(probe, placement.requests, probe_rate(gates, step)):
        yield


@asynccontextmanager
async def synthetic_traffic(placement: Placement, step: Step) -> AsyncIterator[None]:
    """
    Send safe GETs on the public route while the block runs, where the config has them in place of
    missing users.
    """
    gates = placement.gates
    if gates.too_little_traffic != "synthesize":
        yield
        return

    async def synthesize(session: Session, request: Request) -> None:
        await fetch(session, placement.user, request)

    async with _sending(synthesize, placement.requests, synthetic_rate(gates, step)):
        yield


def probe_rate(gates: Gates, step: Step) -> float:
    """
    Probes a second: twice as many in a bake as a verdict needs, at a rate that does not load the
    service.
    """
    needed = gates.min_requests * _PROBES_MARGIN
    return _rate(needed, step, _PROBES_PER_SECOND)


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
    async with open_session() as session, asyncio.TaskGroup() as sending:
        for request in itertools.cycle(requests):
            sending.create_task(send(session, request))
            await asyncio.sleep(1 / rate)


def window_of_responses(responses: Sequence[Response]) -> Window:
    """Responses as CloudWatch would count them."""
    latencies = sorted(response.latency for response in responses if not response.failed)
    return Window(
        requests=len(responses),
        failed=sum(response.failed for response in responses),
        p50=_percentile(latencies, 50),
        p95=_percentile(latencies, 95),
        p99=_percentile(latencies, 99),
    )


def _percentile(latencies: Sequence[float], percent: int) -> float | None:
    if not latencies:
        return None
    rank = math.ceil(len(latencies) * percent / 100)
    return latencies[rank - 1]
