"""Whether the service's target group gets the requests of its weight, or no requests any more."""

import asyncio
import math
import time
from typing import Final

from config.service import ServiceConfig
from config.split import SplitConfig
from config.traffic import Gates
from flows.record.events import emit
from flows.service.step.analysis import StepAnalysis
from flows.service.step.probes import sampling
from flows.service.step.shares import Change, Counts
from tasks.aws.call import call
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests

__all__ = ["wait_for_counts", "wait_until_idle"]

_LONGEST_PAUSE: Final = 5.0
_IDLE_PERIODS: Final = 10
_MOST_PERIODS: Final = 10
"""Whole periods that are compared before and after a change of weight."""
_PROPAGATION: Final = 5.0
"""Seconds that a new weight may need to reach every node of the load balancer."""


async def wait_for_counts(analysis: StepAnalysis) -> None:
    """
    Wait until the request counts of the target groups show that the weight took effect.

    Args:
        analysis: The step that was just taken.

    Raises:
        GateFailed: They did not within `wait_limit`; not in a dry run.
    """
    gates = analysis.gates
    began = _first_period(gates, analysis.figures.since)
    deadline = began + gates.metrics_period + gates.metrics_lag + gates.wait_limit
    async with sampling(analysis.placement, analysis.figures.probes):
        while True:
            change = await _read_change(analysis, began)
            if change.matches:
                _emit_match(analysis, change)
                return
            if _may_be_too_little(analysis, change):
                _emit_inconclusive(analysis, change, "too few for a verdict")
                return
            if time.time() > deadline:
                _judge_at_deadline(analysis, change)
                return


def _judge_at_deadline(analysis: StepAnalysis, change: Change) -> None:
    """
    After `wait_limit` no load balancer still has the old weights.

    So a service that gets its share of the tool's own requests may go on: users' requests have
    become fewer.
    """
    if change.reaches_service and change.is_within_weight:
        _emit_inconclusive(analysis, change, "users' requests have not grown with the weight")
    else:
        analysis.fail_check(_explain(analysis, change), change.numbers)


def _first_period(gates: Gates, since: float) -> int:
    """When the first whole period begins in which the weight is in force everywhere."""
    period = gates.metrics_period
    settled = since + min(_PROPAGATION, period)
    return math.ceil(settled / period) * period


async def _read_change(analysis: StepAnalysis, began: int) -> Change:
    """What CloudWatch has of the whole periods after the change, and of as many before it."""
    gates = analysis.gates
    period = gates.metrics_period
    end = await _next_end(gates, began)
    longest = _MOST_PERIODS * period
    start = max(began, end - longest)
    after = await _read_counts(analysis, start, end)
    before = None
    if analysis.previous is not None:
        last = math.floor(analysis.figures.since / period) * period
        first = _first_period(gates, analysis.previous.figures.since)
        first = max(first, last - longest)
        if first < last:
            before = await _read_counts(analysis.previous, first, last)
    return Change(after, before, gates.tolerance)


async def _read_counts(analysis: StepAnalysis, start: int, end: int) -> Counts:
    """What both groups got in a span of whole periods in which the step's weight was in force."""
    placement = analysis.placement
    service, monolith = await asyncio.gather(
        _count(analysis, placement.target_group_arn, start, end),
        _count(analysis, placement.monolith_group_arn, start, end),
    )
    own = analysis.figures.probes.count(start, end)
    return Counts(
        weight=analysis.step.weight,
        seconds=end - start,
        service=max(0, service - own.private),
        monolith=max(0, monolith - own.private),
        own=own.public,
    )


async def _count(analysis: StepAnalysis, target_group_arn: str, start: int, end: int) -> int:
    placement = analysis.placement
    group = placement.metrics_of(target_group_arn)
    period = analysis.gates.metrics_period
    return await call(count_requests, placement.aws, group, start, end, period)


async def _next_end(gates: Gates, began: float) -> int:
    """Wait until there is a whole period since `began`; return the end of the newest one."""
    period = gates.metrics_period
    while True:
        await asyncio.sleep(min(period, _LONGEST_PAUSE))
        complete = time.time() - gates.metrics_lag
        end = math.floor(complete / period) * period
        if end - began >= period:
            return end


def _may_be_too_little(analysis: StepAnalysis, change: Change) -> bool:
    """Whether the config accepts that there are too few requests, after the length of a bake."""
    if analysis.gates.too_little_traffic != "accept":
        return False
    waited = time.time() - analysis.figures.since
    has_baked = waited >= analysis.step.bake + analysis.gates.metrics_lag
    is_possible = change.after.own == 0 or change.reaches_service
    return has_baked and is_possible and change.is_within_weight


def _describe(analysis: StepAnalysis, change: Change) -> str:
    """For example `1.2 requests/s reached users`."""
    return f"{change.after.rate:.1f} requests/s reached {analysis.name}"


def _emit_match(analysis: StepAnalysis, change: Change) -> None:
    text = (
        f"observed split: {_describe(analysis, change)}, at least {change.expected_rate:.1f} "
        "expected"
    )
    analysis.emit_check("pass", text, change.numbers)


def _emit_inconclusive(analysis: StepAnalysis, change: Change, why: str) -> None:
    text = f"observed split: {_describe(analysis, change)}, {why}"
    analysis.emit_check("inconclusive", text, change.numbers)


def _explain(analysis: StepAnalysis, change: Change) -> str:
    if not change.is_within_weight:
        return (
            f"observed split: {change.after.part:.0%} of both target groups' requests reached "
            f"{analysis.name} at weight {analysis.step.weight}%; check which other rule forwards "
            "to its target group"
        )
    return (
        f"observed split: {_describe(analysis, change)} {analysis.gates.wait_limit:g} s after "
        f"weight {analysis.step.weight}% was set, at least {change.expected_rate:.1f} expected; "
        "check which other rule matches its paths, or set too_little_traffic to accept"
    )


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
    began = time.time() + period
    deadline = began + gates.metrics_lag + _IDLE_PERIODS * period
    while True:
        end = await _next_end(gates, began)
        requests = await call(count_requests, config.aws, group, end - period, end, period)
        if requests == 0 or time.time() > deadline:
            break
    _emit_idle(service.name, requests)


def _emit_idle(name: str, requests: int) -> None:
    text = f"no requests reach {name}"
    if requests:
        text = (
            f"requests still reach {name} (over kept-alive connections, or the tool's own probes); "
            "the weights are 100/0"
        )
    emit("note", name, text, numbers={"requests": requests})
