"""One step's bake: probes side by side, and the gates that watch."""

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from config.split import SplitConfig
from config.traffic import Gates, Step
from flows.lane import Lane
from tasks.gate import Judgement, judge_alarms, judge_errors, judge_latency, read_alarms, worst
from tasks.http import Answer, fetch, open_session
from tasks.metrics import TargetGroupRef, Window, read_window
from tasks.poll import poll
from tasks.surroundings import Surroundings

__all__ = ["Probes", "bake", "probing", "synthesizing"]

_EVERY: Final = 0.5
_PROBES_PER_SECOND: Final = 10
_SYNTHETIC_PER_SECOND: Final = 50


@dataclass
class Probes:
    """What the tool's own requests saw since the last weight change."""

    preview: list[Answer] = field(default_factory=list)
    control: list[Answer] = field(default_factory=list)


@asynccontextmanager
async def probing(lane: Lane, probes: Probes) -> AsyncIterator[None]:
    """Ask service and monolith the same things side by side, gently, while the block runs."""
    async with _every(
        1 / _PROBES_PER_SECOND, lane.probe_paths, lambda session, path: _probe(session, lane, probes, path)
    ):
        yield


async def _probe(session: aiohttp.ClientSession, lane: Lane, probes: Probes, path: str) -> None:
    service, monolith = await asyncio.gather(fetch(session, lane.preview, path), fetch(session, lane.control, path))
    probes.preview.append(service)
    probes.control.append(monolith)


@asynccontextmanager
async def synthesizing(lane: Lane) -> AsyncIterator[None]:
    """Make the traffic that users do not, with safe GETs on the public paths, while the block runs."""
    async with _every(
        1 / _SYNTHETIC_PER_SECOND, lane.probe_paths, lambda session, path: fetch(session, lane.user, path)
    ):
        yield


@asynccontextmanager
async def _every(
    interval: float, paths: Sequence[str], ask: Callable[[aiohttp.ClientSession, str], Coroutine[Any, Any, object]]
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
        await asyncio.gather(running, return_exceptions=True)


async def bake(
    config: SplitConfig, around: Surroundings, lane: Lane, gates: Gates, step: Step, probes: Probes
) -> list[Judgement]:
    """Watch the gates until the step has baked and they can be judged, or until one fails."""
    began = time.time()
    lag = gates.metrics_lag if gates.source != "probes" else 0.0
    ends = began + step.bake
    gives_up = ends + lag + gates.wait_limit
    while True:
        await asyncio.sleep(_EVERY)
        now = time.time()
        judgements = await _judge(config, around, lane, gates, probes, began, now - lag)
        verdict = worst(judgements)
        if verdict == "fail" and not gates.dry_run:
            return judgements
        if now >= ends + lag and (verdict == "pass" or gates.too_little_traffic == "accept" or gates.dry_run):
            return judgements
        if now >= gives_up:
            return judgements


async def _judge(
    config: SplitConfig, around: Surroundings, lane: Lane, gates: Gates, probes: Probes, start: float, end: float
) -> list[Judgement]:
    """Every gate, over what was answered between two moments (seconds since the epoch)."""
    judgements: list[Judgement] = []
    if gates.source in ("cloudwatch", "both"):
        groups = [
            TargetGroupRef.of(around.load_balancer_arn, arn)
            for arn in (lane.target_group_arn, around.monolith.target_group_arn)
        ]
        service, monolith = await asyncio.gather(
            *(poll(read_window, config.aws, group, start, end, gates.metrics_period) for group in groups)
        )
        judgements += [
            judge_errors(gates, "cloudwatch", service),
            *judge_latency(gates, "cloudwatch", service, monolith),
        ]
    if gates.source in ("probes", "both"):
        service, monolith = _window(probes.preview), _window(probes.control)
        own = gates.model_copy(update={"min_requests": min(gates.min_requests, len(probes.preview) or 1)})
        judgements += [judge_errors(own, "probes", service), *judge_latency(gates, "probes", service, monolith)]
    judgements = _without_superfluous(judgements)
    states = await poll(read_alarms, config.aws, gates.alarms)
    return judgements + judge_alarms(gates.alarms, states)


def _without_superfluous(judgements: Sequence[Judgement]) -> list[Judgement]:
    """One source's open latency verdict does not count where the other source has one."""
    decided = {item.gate for item in judgements if item.verdict != "inconclusive"}
    return [
        item
        for item in judgements
        if item.verdict != "inconclusive" or not item.gate.startswith("latency") or item.gate not in decided
    ]


def _window(answers: Sequence[Answer]) -> Window:
    """The tool's own requests as CloudWatch would count them."""
    latencies = sorted(answer.latency for answer in answers if not answer.failed)
    percentiles = {
        f"p{percent}": latencies[math.ceil(len(latencies) * percent / 100) - 1] if latencies else None
        for percent in (50, 95, 99)
    }
    return Window(requests=len(answers), failed=sum(answer.failed for answer in answers), **percentiles)
