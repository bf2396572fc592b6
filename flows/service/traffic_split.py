"""Whether the split of traffic that is observed is the one that was asked for."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final

from config.errors import GateFailed
from flows.record.events import emit
from flows.service.analysis import StepAnalysis
from tasks.aws.call import call
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests
from tasks.http.client import Response, Route, Session, fetch, open_session

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


async def converge(analysis: StepAnalysis, previous: Observed | None) -> Observed | None:
    """
    Wait until the observed split follows the weights: before that, no bake means anything.

    Where every backend names itself in a header, the tool's own requests on the public path are
    counted by who answered. Elsewhere the service's target group has to see as much more traffic as
    the weights say: the monolith's group does not tell the share, since other paths reach it too.

    Args:
        analysis: The step that was just taken.
        previous: What was observed at the step before.

    Returns:
        What was observed; None where it was counted by header, or could not be told and need not
        be.

    Raises:
        GateFailed: It did not become so within `wait_limit`; not in a dry run.
    """
    header = analysis.config.listener.backend_header
    names = await _backend_names(analysis, header) if header else None
    if header and names:
        await _converge_by_header(analysis, header, names)
        return None
    return await _converge_by_count(analysis, previous)


async def _backend_names(analysis: StepAnalysis, header: str) -> tuple[str, str] | None:
    """What service and monolith write into the header; None when that does not tell them apart."""
    placement = analysis.placement
    async with open_session() as session:
        service, monolith = [
            await _first_name(session, route, placement.probe_paths, header)
            for route in (placement.preview, placement.control)
        ]
    if service and monolith and service != monolith:
        return service, monolith
    if placement.probe_paths:
        text = (
            f"header {header} does not tell who answers ({service!r}, the monolith {monolith!r}): "
            "counting instead"
        )
        emit("note", placement.service.name, text)
    return None


async def _first_name(session: Session, route: Route, paths: Sequence[str], header: str) -> str:
    for path in paths:
        answer = await fetch(session, route, path)
        if answer.headers.get(header):
            return answer.headers[header]
    return ""


async def _converge_by_header(analysis: StepAnalysis, header: str, names: tuple[str, str]) -> None:
    gates, step, name = analysis.gates, analysis.step, analysis.placement.service.name
    deadline = time.monotonic() + gates.wait_limit
    async with open_session() as session:
        while True:
            answers = await _sample(session, analysis)
            counted = [answer for answer in answers if answer.headers.get(header) in names]
            reached = [answer for answer in counted if answer.headers[header] == names[0]]
            analysis.probes.public += reached
            share, asked = 100 * len(reached) / max(len(counted), 1), len(counted)
            numbers = {"observed": round(share, 1), "wanted": step.weight, "requests": asked}
            if reached and abs(share - step.weight) <= gates.tolerance + _chance(
                step.weight, asked
            ):
                text = (
                    f"observed split: {share:.0f} % of {asked} requests reach it, {step.weight} % "
                    "wanted"
                )
                emit("check", name, text, verdict="pass", numbers=numbers, weight=step.weight)
                return
            if time.monotonic() > deadline:
                text = (
                    f"{share:.0f} % of {asked} requests reach it {gates.wait_limit:g} s after "
                    f"weight {step.weight} % "
                    "was set; look which other rule answers its paths"
                )
                _miss(analysis, text, numbers)
                return
            await asyncio.sleep(_PAUSE)


async def _sample(session: Session, analysis: StepAnalysis) -> list[Response]:
    """Answers on the public path: at least a hundred, and so many that a small weight shows."""
    placement = analysis.placement
    size = min(_MOST, max(_FEWEST, math.ceil(_EXPECTED * 100 / analysis.step.weight)))
    paths = list(islice(cycle(placement.probe_paths), size))
    answers: list[Response] = []
    for start in range(0, size, _AT_ONCE):
        answers += await asyncio.gather(
            *(fetch(session, placement.user, path) for path in paths[start : start + _AT_ONCE])
        )
    return answers


def _chance(weight: int, asked: int) -> float:
    """Percentage points by which a right split may miss the weight in so many requests."""
    return 100 * _SIGMAS * math.sqrt(weight / 100 * (1 - weight / 100) / max(asked, 1))


async def _converge_by_count(analysis: StepAnalysis, previous: Observed | None) -> Observed | None:
    gates, step, name = analysis.gates, analysis.step, analysis.placement.service.name
    group = TargetGroupRef.of(
        analysis.discovered.load_balancer_arn, analysis.placement.target_group_arn
    )
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
        count = await call(
            count_requests, analysis.config.aws, group, began, began + span, gates.metrics_period
        )
        rate = count / span
        numbers = {"requests": count, "rate": round(rate, 2), "needed": round(needed, 2)}
        if count and rate >= needed:
            text = (
                f"observed: {rate:.1f} requests a second reach it, at least {needed:.1f} were "
                "expected"
            )
            emit("check", name, text, verdict="pass", numbers=numbers, weight=step.weight)
            return Observed(step.weight, rate)
        if gates.too_little_traffic == "accept" and span >= step.bake:
            text = f"observed: {rate:.1f} requests a second reach it, too few to tell"
            emit("check", name, text, verdict="inconclusive", numbers=numbers, weight=step.weight)
            return None
        if now > deadline:
            text = (
                f"{rate:.1f} requests a second reach it {gates.wait_limit:g} s after weight "
                f"{step.weight} % was set, "
                f"at least {needed:.1f} were expected; look which other rule answers its paths, "
                "or set "
                "too_little_traffic to accept"
            )
            _miss(analysis, text, numbers)
            return None


def _miss(analysis: StepAnalysis, text: str, numbers: dict[str, Any]) -> None:
    """Say that the split is not the one asked for, which ends the step but in a dry run."""
    name = analysis.placement.service.name
    emit("check", name, text, verdict="fail", numbers=numbers, weight=analysis.step.weight)
    if not analysis.gates.dry_run:
        raise GateFailed(f"{name}: {text}")
