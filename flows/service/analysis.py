"""
One step's bake: the gates that watch it.

CloudWatch tells of the load balancer's requests by whole periods (60 s in AWS), each of them
incomplete for a while. So a step is judged over the periods from its change of weight to the newest
complete one, once these hold the whole bake. A breach need not wait for that: the newest figures
are looked at as well, and what they show beyond chance ends the step at once.
"""

import asyncio
import math
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from config.split import SplitConfig
from config.traffic import Gates, Step
from flows.service.placement import Placement
from flows.service.probes import Probes, probe_rate, window_of_answers
from tasks.aws.call import call
from tasks.cloudwatch.alarms import read_alarms
from tasks.cloudwatch.metrics import TargetGroupRef, Window, read_window
from tasks.discovery import Discovered
from tasks.elbv2.target_group import read_target_health
from tasks.gates import (
    Judgement,
    judge_alarms,
    judge_errors,
    judge_latency,
    judge_targets,
    without_open_doubles,
    worst,
)

__all__ = ["Breach", "StepAnalysis", "bake", "read_before", "unless_breached"]

R = TypeVar("R")

_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE = 3.0
_TARGETS_EVERY = 5.0
_LOOKS_A_PERIOD = 20
_PERIODS_BEFORE = 10


class Breach(Exception):
    """Raised when a gate fails before the end of a step."""

    def __init__(self, judgements: list[Judgement]) -> None:
        super().__init__("; ".join(item.text for item in judgements if item.verdict == "fail"))
        self.judgements = judgements


@dataclass
class Targets:
    """
    The health of a service's targets, read seldom: ELBv2 answers an account ten describing calls a
    second.
    """

    _due: float = 0.0
    _judgement: Judgement | None = None

    async def judge(self, config: SplitConfig, target_group_arn: str) -> Judgement:
        """The newest verdict."""
        now = time.monotonic()
        if self._judgement is None or now >= self._due:
            self._judgement = judge_targets(
                await call(read_target_health, config.aws, target_group_arn)
            )
            self._due = now + _TARGETS_EVERY
        return self._judgement


@dataclass(frozen=True)
class StepAnalysis:
    """The gates of one step, from its change of weight on."""

    config: SplitConfig
    discovered: Discovered
    placement: Placement
    step: Step
    before: Window
    """What the monolith answered before the shift."""
    since: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    probes: Probes = field(default_factory=Probes)
    targets: Targets = field(default_factory=Targets)

    @property
    def gates(self) -> Gates:
        """The service's gates."""
        return self.config.traffic_of(self.placement.service).gates

    @property
    def lag(self) -> float:
        """Seconds until what happened now can be judged."""
        return self.gates.metrics_lag if self.reads_metrics else 0.0

    @property
    def reads_metrics(self) -> bool:
        """Whether CloudWatch is asked."""
        return self.gates.source != "probes"

    @property
    def pause(self) -> float:
        """Seconds between two looks: GetMetricData is billed by the metric."""
        period = self.gates.metrics_period if self.reads_metrics else 0
        return min(max(period / _LOOKS_A_PERIOD, _SHORTEST_PAUSE), _LONGEST_PAUSE)

    def complete_until(self, now: float) -> float:
        """Until which moment everything is known."""
        if not self.reads_metrics:
            return now
        period = self.gates.metrics_period
        return math.floor((now - self.lag) / period) * period

    async def look(self) -> list[Judgement]:
        """Every gate on what is known right now; only what fails counts."""
        return await self._judge(time.time(), early=True)

    async def judge(self) -> list[Judgement]:
        """Every gate on what is complete."""
        return await self._judge(self.complete_until(time.time()), early=False)

    async def _judge(self, until: float, *, early: bool) -> list[Judgement]:
        found = await self._judge_metrics(until, early=early) if self.reads_metrics else []
        if self.gates.source == "probes" or (
            self.gates.source == "both" and self.placement.probe_paths
        ):
            found += self._judge_probes(early=early)
        targets = await self.targets.judge(self.config, self.placement.target_group_arn)
        states = (
            await call(read_alarms, self.config.aws, self.gates.alarms) if self.gates.alarms else {}
        )
        return [*without_open_doubles(found), targets, *judge_alarms(self.gates.alarms, states)]

    async def _judge_metrics(self, until: float, *, early: bool) -> list[Judgement]:
        groups = (self.placement.target_group_arn, self.discovered.monolith.target_group_arn)
        service, monolith = await asyncio.gather(
            *(
                read_metrics(self.config, self.discovered, self.gates, group, self.since, until)
                for group in groups
            )
        )
        # Users are who counts: the tool's own requests must not stand in for theirs. Of those, only
        # the ones that CloudWatch surely knows of can be taken off.
        users = service.without(self.probes.at_service(min(until, time.time() - self.lag)))
        return [
            judge_errors(self.gates, "cloudwatch", users, early=early),
            *judge_latency(self.gates, "cloudwatch", service, monolith, self.before, early=early),
        ]

    def _judge_probes(self, *, early: bool) -> list[Judgement]:
        service, monolith = (
            window_of_answers(self.probes.preview),
            window_of_answers(self.probes.control),
        )
        # A short bake sees fewer probes than users' requests are wanted; on a slow machine not even
        # all of these.
        expected = max(1, int(self.step.bake * probe_rate(self.gates, self.step) / 2))
        gates = self.gates.model_copy(
            update={"min_requests": min(self.gates.min_requests, expected)}
        )
        return [
            judge_errors(gates, "probes", service, early=early),
            *judge_latency(gates, "probes", service, monolith, early=early),
        ]


async def read_metrics(
    config: SplitConfig, discovered: Discovered, gates: Gates, group: str, start: float, end: float
) -> Window:
    """A target group's window, by its ARN."""
    ref = TargetGroupRef.of(discovered.load_balancer_arn, group)
    return await call(read_window, config.aws, ref, start, end, gates.metrics_period)


async def read_before(config: SplitConfig, discovered: Discovered, gates: Gates) -> Window:
    """
    What the monolith answered lately: with what to compare a service that has taken all of its
    requests.
    """
    if gates.source == "probes":
        return Window()
    end = (
        math.floor((time.time() - gates.metrics_lag) / gates.metrics_period) * gates.metrics_period
    )
    start = end - _PERIODS_BEFORE * gates.metrics_period
    return await read_metrics(
        config, discovered, gates, discovered.monolith.target_group_arn, start, end
    )


async def unless_breached(analysis: StepAnalysis, work: Coroutine[Any, Any, R]) -> R:
    """
    Do the work while the gates watch; in a dry run they do not end it.

    Raises:
        Breach: A gate failed first.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_wait_for_breach(analysis))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Breach(watching.result())
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _wait_for_breach(analysis: StepAnalysis) -> list[Judgement]:
    while True:
        judgements = await analysis.look()
        if worst(judgements) == "fail" and not analysis.gates.dry_run:
            return judgements
        await asyncio.sleep(analysis.pause)


async def bake(analysis: StepAnalysis) -> list[Judgement]:
    """
    Wait until the step has baked and its gates can be judged.

    Returns:
        The verdicts: inconclusive ones only where `too_little_traffic` accepts them, in a dry run,
        or when `wait_limit` is over.
    """
    gates, ends = analysis.gates, time.time() + analysis.step.bake
    accepts = gates.dry_run or gates.too_little_traffic == "accept"
    gives_up = ends + analysis.lag + gates.metrics_period + gates.wait_limit
    while True:
        now = time.time()
        if analysis.complete_until(now) >= ends:
            judgements = await analysis.judge()
            if accepts or worst(judgements) != "inconclusive" or now >= gives_up:
                return judgements
        await asyncio.sleep(analysis.pause)
