"""
The tool's own requests during a step: side by side to service and monolith, or in place of missing
users.
"""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from config.traffic import Gates, Step
from flows.service.placement import Placement
from tasks.cloudwatch.metrics import Window
from tasks.http.client import Response, Session, fetch, open_session

__all__ = ["Probes", "probe_rate", "probing", "synthesizing", "window_of_answers"]

_PROBES_PER_SECOND: Final = 10
_SYNTHETIC_PER_SECOND: Final = 50
_PROBES_MARGIN: Final = 2.0
_SYNTHETIC_MARGIN: Final = 1.5


@dataclass
class Probes:
    """What the tool's own requests saw since the last weight change."""

    preview: list[Response] = field(default_factory=list)
    """On the service's preview route."""
    control: list[Response] = field(default_factory=list)
    """On the monolith's."""
    public: list[Response] = field(default_factory=list)
    """On the public path, where the service answered."""

    def at_service(self, until: float) -> Window:
        """Those that the load balancer counts among the service's requests, up to a moment."""
        return window_of_answers(
            [answer for answer in (*self.preview, *self.public) if answer.at < until]
        )


@asynccontextmanager
async def probing(
    placement: Placement, gates: Gates, step: Step, probes: Probes
) -> AsyncIterator[None]:
    """Ask service and monolith the same things side by side, gently, while the block runs."""

    async def ask_both(session: Session, path: str) -> None:
        service, monolith = await asyncio.gather(
            fetch(session, placement.preview, path), fetch(session, placement.control, path)
        )
        probes.preview.append(service)
        probes.control.append(monolith)

    async with _every(1 / probe_rate(gates, step), placement.probe_paths, ask_both):
        yield


@asynccontextmanager
async def synthesizing(placement: Placement, gates: Gates, step: Step) -> AsyncIterator[None]:
    """
    Make the traffic that users do not, with safe GETs on the public paths,
    while the block runs.
    """
    async with _every(
        1 / _synthetic_rate(gates, step),
        placement.probe_paths,
        lambda session, path: fetch(session, placement.user, path),
    ):
        yield


def probe_rate(gates: Gates, step: Step) -> float:
    """
    Probes a second: twice as many in a bake as make a verdict, and no more than a service hardly
    notices.
    """
    return _rate(gates.min_requests * _PROBES_MARGIN, step, _PROBES_PER_SECOND)


def _synthetic_rate(gates: Gates, step: Step) -> float:
    """Requests a second that give the service a little more than `min_requests` during the bake."""
    return _rate(
        gates.min_requests * 100 / step.weight * _SYNTHETIC_MARGIN, step, _SYNTHETIC_PER_SECOND
    )


def _rate(needed: float, step: Step, most: float) -> float:
    return min(most, max(1.0, needed / max(step.bake, 1.0)))


@asynccontextmanager
async def _every(
    interval: float,
    paths: Sequence[str],
    ask: Callable[[Session, str], Coroutine[Any, Any, object]],
) -> AsyncIterator[None]:
    """Ask for one path after the other at a steady rate, however long the answers take."""

    async def keep_asking() -> None:
        async with open_session() as session, asyncio.TaskGroup() as asking:
            for path in itertools.cycle(paths):
                asking.create_task(ask(session, path))
                await asyncio.sleep(interval)

    running = asyncio.create_task(keep_asking())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})
    if not running.cancelled():
        running.result()  # it ends by itself without paths, or by a fault


def window_of_answers(answers: Sequence[Response]) -> Window:
    """The tool's own requests as CloudWatch would count them."""
    latencies = sorted(answer.latency for answer in answers if not answer.failed)
    percentiles = {
        f"p{percent}": latencies[math.ceil(len(latencies) * percent / 100) - 1]
        if latencies
        else None
        for percent in (50, 95, 99)
    }
    return Window(
        requests=len(answers), failed=sum(answer.failed for answer in answers), **percentiles
    )
