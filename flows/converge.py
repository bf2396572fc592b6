"""Whether the split of traffic that is observed is the one that was asked for."""

import asyncio
import math
import time
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

import aiohttp

from config.errors import GateFailed
from config.split import SplitConfig
from config.traffic import Gates, Step
from flows.lane import Lane
from flows.watch import tell
from tasks.http import Route, fetch, open_session
from tasks.metrics import TargetGroupRef, count_requests
from tasks.poll import poll
from tasks.surroundings import Surroundings

__all__ = ["Observed", "converge"]

_SAMPLE: Final = 100
_AT_ONCE: Final = 10
_SIGMAS: Final = 3.0


@dataclass(frozen=True)
class Observed:
    """What reached the service at a weight."""

    weight: int
    rate: float
    """Requests a second that the load balancer sent to its target group."""


async def converge(
    config: SplitConfig, around: Surroundings, lane: Lane, gates: Gates, step: Step, previous: Observed | None
) -> Observed | None:
    """
    Wait until the observed split follows the weights: before that, no bake means anything.

    Where every backend names itself in a header, the tool's own requests on the public path are counted by who
    answered. Elsewhere the service's target group has to see as much more traffic as the weights say: the monolith's
    group does not tell the share, since other paths reach it too.

    Args:
        config: The split.
        around: The listener.
        lane: The service's part of it.
        gates: Tolerance and patience.
        step: The step that was just taken.
        previous: What was observed at the step before.

    Returns:
        What was observed; None where it was counted by header.

    Raises:
        GateFailed: It did not become so within `wait_limit`.
    """
    header = config.listener.backend_header
    if header and lane.probe_paths:
        await _converge_by_header(lane, gates, step, header)
        return None
    return await _converge_by_count(config, around, lane, gates, step, previous)


async def _converge_by_header(lane: Lane, gates: Gates, step: Step, header: str) -> None:
    deadline = time.monotonic() + gates.wait_limit
    async with open_session() as session:
        service, monolith = [await _who_answers(session, route, lane, header) for route in (lane.preview, lane.control)]
        while True:
            share, asked = await _observed_share(session, lane, header, (service, monolith))
            chance = math.sqrt(step.weight / 100 * (1 - step.weight / 100) / asked)
            numbers = {"observed": round(share, 1), "wanted": step.weight, "requests": asked}
            if abs(share - step.weight) <= gates.tolerance + 100 * _SIGMAS * chance:
                text = f"observed split: {share:.0f} % of {asked} requests reach it, {step.weight} % wanted"
                tell("check", lane.service.name, text, verdict="pass", numbers=numbers, weight=step.weight)
                return
            if time.monotonic() > deadline:
                raise GateFailed(
                    f"{lane.service.name}: {share:.0f} % of {asked} requests reach it {gates.wait_limit:g} s after "
                    f"weight {step.weight} % was set; look which other rule answers its paths"
                )


async def _who_answers(session: aiohttp.ClientSession, route: Route, lane: Lane, header: str) -> str:
    answer = await fetch(session, route, lane.probe_paths[0])
    return answer.headers.get(header, "")


async def _observed_share(
    session: aiohttp.ClientSession, lane: Lane, header: str, names: tuple[str, str]
) -> tuple[float, int]:
    """Percent of the service's among a hundred answers on the public path, and how many were counted."""
    paths = list(islice(cycle(lane.probe_paths), _SAMPLE))
    seen: list[str] = []
    for start in range(0, _SAMPLE, _AT_ONCE):
        batch = (fetch(session, lane.user, path) for path in paths[start : start + _AT_ONCE])
        seen += [answer.headers.get(header, "") for answer in await asyncio.gather(*batch) if not answer.failed]
    counted = [name for name in seen if name in names]
    return (100 * counted.count(names[0]) / len(counted) if counted else 0.0), max(len(counted), 1)


async def _converge_by_count(
    config: SplitConfig, around: Surroundings, lane: Lane, gates: Gates, step: Step, previous: Observed | None
) -> Observed | None:
    group = TargetGroupRef.of(around.load_balancer_arn, lane.target_group_arn)
    began = time.time() + gates.metrics_period
    deadline = began + gates.metrics_lag + gates.wait_limit
    # Halfway between the old rate and what the new weight makes of it: weights that did not take hold stay below.
    needed = previous.rate * (1 + step.weight / previous.weight) / 2 if previous else 0.0
    while True:
        await asyncio.sleep(min(gates.metrics_period, 5))
        now = time.time()
        span = now - gates.metrics_lag - began
        if span < gates.metrics_period:
            continue
        count = await poll(count_requests, config.aws, group, began, began + span, gates.metrics_period)
        rate = count / span
        numbers = {"requests": count, "rate": round(rate, 2), "needed": round(needed, 2)}
        if count and rate >= needed:
            text = f"observed: {rate:.1f} requests a second reach it, at least {needed:.1f} were expected"
            tell("check", lane.service.name, text, verdict="pass", numbers=numbers, weight=step.weight)
            return Observed(step.weight, rate)
        if gates.too_little_traffic == "accept" and span >= step.bake:
            text = f"observed: {rate:.1f} requests a second reach it, too few to tell"
            tell("check", lane.service.name, text, verdict="inconclusive", numbers=numbers, weight=step.weight)
            return None
        if now > deadline:
            raise GateFailed(
                f"{lane.service.name}: {rate:.1f} requests a second reach it {gates.wait_limit:g} s after weight "
                f"{step.weight} % was set, at least {needed:.1f} were expected; look which other rule answers its "
                "paths, or set too_little_traffic to accept"
            )
