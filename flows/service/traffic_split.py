"""Whether the split of traffic that is observed is the one that was asked for."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final

import aiohttp

from config.errors import GateFailed
from flows.record.events import tell
from flows.service.analysis import Watch
from tasks.aws.call import poll
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests
from tasks.http.client import Answer, Route, fetch, open_session

__all__ = ["Observed", "converge"]

_FEWEST: Final = 100
_MOST: Final = 1000
_EXPECTED: Final = 10
_AT_ONCE: Final = 10
_SIGMAS: Final = 3.0
_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0


@dataclass(frozen=True)
class Observed:
    """What reached the service at a weight."""

    weight: int
    rate: float
    """Requests a second that the load balancer sent to its target group."""


async def converge(watch: Watch, previous: Observed | None) -> Observed | None:
    """
    Wait until the observed split follows the weights: before that, no bake means anything.

    Where every backend names itself in a header, the tool's own requests on the public path are
    counted by who answered. Elsewhere the service's target group has to see as much more traffic as
    the weights say: the monolith's group does not tell the share, since other paths reach it too.

    Args:
        watch: The step that was just taken.
        previous: What was observed at the step before.

    Returns:
        What was observed; None where it was counted by header, or could not be told and need not
        be.

    Raises:
        GateFailed: It did not become so within `wait_limit`; not in a dry run.
    """
    header = watch.config.listener.backend_header
    names = await _backend_names(watch, header) if header else None
    if header and names:
        await _converge_by_header(watch, header, names)
        return None
    return await _converge_by_count(watch, previous)


async def _backend_names(watch: Watch, header: str) -> tuple[str, str] | None:
    """What service and monolith write into the header; None when that does not tell them apart."""
    lane = watch.lane
    async with open_session() as session:
        service, monolith = [
            await _first_name(session, route, lane.probe_paths, header)
            for route in (lane.preview, lane.control)
        ]
    if service and monolith and service != monolith:
        return service, monolith
    if lane.probe_paths:
        text = (
            f"header {header} does not tell who answers ({service!r}, the monolith {monolith!r}): "
            "counting instead"
        )
        tell("note", lane.service.name, text)
    return None


async def _first_name(
    session: aiohttp.ClientSession, route: Route, paths: Sequence[str], header: str
) -> str:
    for path in paths:
        answer = await fetch(session, route, path)
        if answer.headers.get(header):
            return answer.headers[header]
    return ""


async def _converge_by_header(watch: Watch, header: str, names: tuple[str, str]) -> None:
    gates, step, name = watch.gates, watch.step, watch.lane.service.name
    deadline = time.monotonic() + gates.wait_limit
    async with open_session() as session:
        while True:
            answers = await _sample(session, watch)
            counted = [answer for answer in answers if answer.headers.get(header) in names]
            reached = [answer for answer in counted if answer.headers[header] == names[0]]
            watch.probes.public += reached
            share, asked = 100 * len(reached) / max(len(counted), 1), len(counted)
            numbers = {"observed": round(share, 1), "wanted": step.weight, "requests": asked}
            if reached and abs(share - step.weight) <= gates.tolerance + _chance(
                step.weight, asked
            ):
                text = (
                    f"observed split: {share:.0f} % of {asked} requests reach it, {step.weight} % "
                    "wanted"
                )
                tell("check", name, text, verdict="pass", numbers=numbers, weight=step.weight)
                return
            if time.monotonic() > deadline:
                text = (
                    f"{share:.0f} % of {asked} requests reach it {gates.wait_limit:g} s after "
                    f"weight {step.weight} % "
                    "was set; look which other rule answers its paths"
                )
                _miss(watch, text, numbers)
                return
            await asyncio.sleep(_PAUSE)


async def _sample(session: aiohttp.ClientSession, watch: Watch) -> list[Answer]:
    """Answers on the public path: at least a hundred, and so many that a small weight shows."""
    lane = watch.lane
    size = min(_MOST, max(_FEWEST, math.ceil(_EXPECTED * 100 / watch.step.weight)))
    paths = list(islice(cycle(lane.probe_paths), size))
    answers: list[Answer] = []
    for start in range(0, size, _AT_ONCE):
        answers += await asyncio.gather(
            *(fetch(session, lane.user, path) for path in paths[start : start + _AT_ONCE])
        )
    return answers


def _chance(weight: int, asked: int) -> float:
    """Percentage points by which a right split may miss the weight in so many requests."""
    return 100 * _SIGMAS * math.sqrt(weight / 100 * (1 - weight / 100) / max(asked, 1))


async def _converge_by_count(watch: Watch, previous: Observed | None) -> Observed | None:
    gates, step, name = watch.gates, watch.step, watch.lane.service.name
    group = TargetGroupRef.of(watch.around.load_balancer_arn, watch.lane.target_group_arn)
    began = time.time() + gates.metrics_period
    deadline = began + gates.metrics_lag + gates.wait_limit
    # Halfway between the old rate and what the new weight makes of it: weights that did not take
    # hold stay below.
    needed = previous.rate * (1 + step.weight / previous.weight) / 2 if previous else 0.0
    while True:
        await asyncio.sleep(min(gates.metrics_period, _LONGEST_PAUSE))
        now = time.time()
        span = now - gates.metrics_lag - began
        if span < gates.metrics_period:
            continue
        count = await poll(
            count_requests, watch.config.aws, group, began, began + span, gates.metrics_period
        )
        rate = count / span
        numbers = {"requests": count, "rate": round(rate, 2), "needed": round(needed, 2)}
        if count and rate >= needed:
            text = (
                f"observed: {rate:.1f} requests a second reach it, at least {needed:.1f} were "
                "expected"
            )
            tell("check", name, text, verdict="pass", numbers=numbers, weight=step.weight)
            return Observed(step.weight, rate)
        if gates.too_little_traffic == "accept" and span >= step.bake:
            text = f"observed: {rate:.1f} requests a second reach it, too few to tell"
            tell("check", name, text, verdict="inconclusive", numbers=numbers, weight=step.weight)
            return None
        if now > deadline:
            text = (
                f"{rate:.1f} requests a second reach it {gates.wait_limit:g} s after weight "
                f"{step.weight} % was set, "
                f"at least {needed:.1f} were expected; look which other rule answers its paths, "
                "or set "
                "too_little_traffic to accept"
            )
            _miss(watch, text, numbers)
            return None


def _miss(watch: Watch, text: str, numbers: dict[str, Any]) -> None:
    """Say that the split is not the one asked for, which ends the step but in a dry run."""
    name = watch.lane.service.name
    tell("check", name, text, verdict="fail", numbers=numbers, weight=watch.step.weight)
    if not watch.gates.dry_run:
        raise GateFailed(f"{name}: {text}")
