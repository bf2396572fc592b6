"""
The analysis of one step: its gates, from the change of weight until the verdict.

CloudWatch has the load balancer's requests by whole periods (60 s in AWS), each of them incomplete
for a while. So a step is judged over the periods from its change of weight to the newest complete
one, once these cover the whole bake. A breach need not wait for that: the newest figures are judged
as well, and a failure beyond chance ends the step at once.
"""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

from config.errors import GateFailed
from config.traffic import Gates, Step
from flows.record.events import emit
from flows.service.placement import Placement
from flows.service.step.figures import Figures, Measured, Past, last_period_end
from flows.service.step.probes import Probes, paced_probe_rate
from tasks.aws.call import call
from tasks.cloudwatch.alarms import read_alarms
from tasks.elbv2.target_group import read_target_health
from tasks.gates import (
    Judgement,
    Verdict,
    gets_slower,
    is_worth_a_return,
    judge_alarms,
    judge_connections,
    judge_errors,
    judge_latency,
    judge_monolith,
    judge_pairs,
    judge_statuses,
    judge_targets,
    without_open_doubles,
    worst,
)
from tasks.http.pacing import pace

__all__ = ["Breach", "StepAnalysis", "unless_breached"]

R = TypeVar("R")

_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE: Final = 3.0
_TARGETS_EVERY: Final = 5.0
_EVALUATIONS_A_PERIOD: Final = 20


class Breach(Exception):
    """Raised when a gate fails before the end of a step."""

    def __init__(self, judgements: list[Judgement]) -> None:
        failed = [item.text for item in judgements if item.verdict == "fail"]
        super().__init__("; ".join(failed))
        self.judgements = judgements


class StepAnalysis:
    """
    The gates of one step.

    Args:
        placement: The service's place on the listener.
        step: The step.
        past: What the monolith responded before the shift.
        previous: The analysis of the step before; None at the first one.
    """

    def __init__(
        self,
        placement: Placement,
        step: Step,
        past: Past,
        previous: "StepAnalysis | None" = None,
    ) -> None:
        self.placement = placement
        self.step = step
        self.previous = previous
        earlier: Figures | None = previous.figures if previous else None
        self.figures: Figures = Figures(placement, step, past, earlier)
        """What was measured since the change of weight."""
        self.monolith: Judgement | None = None
        """The newest verdict about the monolith."""
        self.is_worth_a_return = True
        """Whether the monolith, if it suffers, could bear the service's traffic."""
        self._targets: Judgement | None = None
        self._targets_due = 0.0

    def begin(self) -> None:
        """Begin to count; just before the change of weight."""
        self.figures.begin()

    @property
    def name(self) -> str:
        """The service's name."""
        return self.placement.name

    @property
    def gates(self) -> Gates:
        """The service's gates."""
        return self.placement.gates

    @property
    def probes(self) -> Probes:
        """The tool's own requests in this step."""
        return self.figures.probes

    @property
    def lag(self) -> float:
        """Seconds until what happened now can be judged."""
        return self.gates.metrics_lag if self.reads_metrics else 0.0

    @property
    def reads_metrics(self) -> bool:
        """Whether the gates read CloudWatch."""
        return self.gates.source != "probes"

    @property
    def reads_probes(self) -> bool:
        """Whether the gates read the tool's own requests."""
        if self.gates.source == "both":
            return bool(self.placement.probe_paths)
        return self.gates.source == "probes"

    @property
    def must_hold(self) -> bool:
        """Whether the monolith suffers, so that nothing more may be shifted now."""
        return self.monolith is not None and self.monolith.is_open and not self.gates.dry_run

    @property
    def pause(self) -> float:
        """Seconds between two evaluations: GetMetricData is billed by the metric."""
        if not self.reads_metrics:
            return _SHORTEST_PAUSE
        pause = self.gates.metrics_period / _EVALUATIONS_A_PERIOD
        return min(max(pause, _SHORTEST_PAUSE), _LONGEST_PAUSE)

    def complete_until(self, now: float) -> float:
        """The moment up to which all figures are complete; seconds since the epoch, as `now`."""
        if not self.reads_metrics:
            return now
        return last_period_end(self.gates, now)

    def emit_check(self, verdict: Verdict, text: str, numbers: Mapping[str, Any]) -> None:
        """Record a check of this step."""
        emit(
            "check",
            self.name,
            text,
            verdict=verdict,
            numbers=dict(numbers),
            weight=self.step.weight,
        )

    def fail_check(self, text: str, numbers: Mapping[str, Any]) -> None:
        """
        Record that a check of this step failed, which ends it.

        Raises:
            GateFailed: Except in a dry run.
        """
        self.emit_check("fail", text, numbers)
        if not self.gates.dry_run:
            raise GateFailed(f"{self.name}: {text}")

    async def judge_early(self) -> list[Judgement]:
        """Every gate on the newest figures; only a failure counts."""
        return await self._judge(time.time(), early=True)

    async def judge(self) -> list[Judgement]:
        """Every gate on the figures that are complete."""
        return await self._judge(self.complete_until(time.time()), early=False)

    async def _judge(self, until: float, *, early: bool) -> list[Judgement]:
        found: list[Judgement] = []
        if self.reads_metrics:
            found += await self._judge_metrics(until, early=early)
        if self.reads_probes:
            found += self._judge_probes(early=early)
        targets = await self._judge_targets()
        alarms = await self._judge_alarms()
        return [*without_open_doubles(found), targets, *alarms]

    async def _judge_metrics(self, until: float, *, early: bool) -> list[Judgement]:
        measured = await self.figures.measure(until, early=early)
        sides = self.figures.sides(measured, until)
        self.monolith = self._watch_monolith(measured, until)
        return [
            self.monolith,
            judge_errors(self.gates, "cloudwatch", measured.users, early=early),
            judge_connections(self.gates, measured.service, early=early),
            *judge_statuses(self.gates, sides, early=early),
            *self._judge_latency(measured, early=early),
        ]

    def _watch_monolith(self, measured: Measured, until: float) -> Judgement:
        """Judge the monolith, and send it fewer requests of the tool's own while it suffers."""
        past = self.figures.past.window
        users = self.figures.users_of_monolith(measured, until)
        judgement = judge_monolith(self.gates, users, past)
        self.is_worth_a_return = is_worth_a_return(measured.users, measured.monolith)
        if judgement.is_open or gets_slower(self.gates, measured.monolith, past):
            pace().slow_down()
        else:
            pace().recover()
        return judgement

    def _judge_latency(self, measured: Measured, *, early: bool) -> list[Judgement]:
        before = self.figures.past.window
        return judge_latency(
            self.gates, "cloudwatch", measured.service, measured.monolith, before, early=early
        )

    def _judge_probes(self, *, early: bool) -> list[Judgement]:
        service = self.probes.of_service
        monolith = self.probes.of_monolith
        gates = self._probe_gates()
        return [
            judge_errors(gates, "probes", service, early=early),
            *judge_pairs(gates, self.probes.pairs, early=early),
            *judge_latency(gates, "probes", service, monolith, early=early),
        ]

    def _probe_gates(self) -> Gates:
        """
        The gates, with a `min_requests` that the probes can reach: a short bake has fewer probes,
        and a slow machine may not even send these.
        """
        gates = self.gates
        rate = paced_probe_rate(self.placement, self.step)
        expected = max(1, int(self.step.bake * rate / 2))
        fewest = min(gates.min_requests, expected)
        return gates.model_copy(update={"min_requests": fewest})

    async def _judge_targets(self) -> Judgement:
        """The newest verdict; ELBv2 allows an account ten describe calls a second."""
        now = time.monotonic()
        if self._targets is None or now >= self._targets_due:
            group = self.placement.target_group_arn
            health = await call(read_target_health, self.placement.aws, group)
            self._targets = judge_targets(health)
            self._targets_due = now + _TARGETS_EVERY
        return self._targets

    async def _judge_alarms(self) -> list[Judgement]:
        names = self.gates.alarms
        if not names:
            return []
        states = await call(read_alarms, self.placement.aws, names)
        return judge_alarms(names, states)


async def unless_breached(analysis: StepAnalysis, work: Coroutine[Any, Any, R]) -> R:
    """
    Do the work while the gates are evaluated; in a dry run they do not end it.

    Raises:
        Breach: A gate failed first.
    """
    working = asyncio.create_task(work)
    evaluating = asyncio.create_task(_wait_for_breach(analysis))
    try:
        await asyncio.wait({working, evaluating}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Breach(evaluating.result())
        return working.result()
    finally:
        working.cancel()
        evaluating.cancel()
        await asyncio.gather(working, evaluating, return_exceptions=True)


async def _wait_for_breach(analysis: StepAnalysis) -> list[Judgement]:
    while True:
        judgements = await analysis.judge_early()
        if worst(judgements) == "fail" and not analysis.gates.dry_run:
            return judgements
        await asyncio.sleep(analysis.pause)
