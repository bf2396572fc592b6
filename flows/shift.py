"""Moves one service's traffic in weighted steps, and returns it to the monolith when a gate fails."""

import asyncio
import contextlib
import time

from config.errors import GateFailed
from config.split import SplitConfig
from config.traffic import Gates, Step
from flows.bake import Probes, bake, probing, synthesizing
from flows.converge import Observed, converge
from flows.lane import Lane
from flows.watch import tell
from tasks.gate import worst
from tasks.metrics import TargetGroupRef, count_requests
from tasks.poll import poll
from tasks.rule import shift_weight
from tasks.surroundings import Surroundings

__all__ = ["return_to_monolith", "shift_traffic"]


async def shift_traffic(config: SplitConfig, around: Surroundings, lane: Lane, weight: int) -> None:
    """
    Take every configured step that is not behind us yet.

    Args:
        config: The split.
        around: Listener and target groups.
        lane: The service's part of the listener.
        weight: Percent that the service has now, after an interrupted run more than 0.

    Raises:
        GateFailed: A gate failed, or stayed open; the monolith has all traffic again.
        TrafficConflict: Somebody else changed the rules; traffic is as they left it.
    """
    traffic = config.traffic_of(lane.service)
    observed: Observed | None = None
    try:
        for step in traffic.shift.steps():
            if step.weight >= weight:
                observed = await _take_step(config, around, lane, traffic.gates, step, observed)
    except (GateFailed, asyncio.CancelledError) as error:
        why = "a gate failed" if isinstance(error, GateFailed) else "the run was cancelled"
        await asyncio.shield(return_to_monolith(config, around, lane, why))
        raise


async def return_to_monolith(config: SplitConfig, around: Surroundings, lane: Lane, why: str) -> None:
    """Give the monolith everything, at once, and see that nothing reaches the service any more."""
    await _set_weight(config, around, lane, 0)
    tell("weight", lane.service.name, f"weight 0 %: {why}", weight=0)
    gates = config.traffic_of(lane.service).gates
    group = TargetGroupRef.of(around.load_balancer_arn, lane.target_group_arn)
    since = time.time() + gates.metrics_period
    deadline = since + gates.metrics_lag + 10 * gates.metrics_period
    while time.time() < deadline:
        await asyncio.sleep(min(gates.metrics_period, 5))
        now = time.time()
        until = now - gates.metrics_lag
        if until - since < gates.metrics_period:
            continue
        if (
            await poll(count_requests, config.aws, group, until - gates.metrics_period, until, gates.metrics_period)
            == 0
        ):
            tell("note", lane.service.name, "no request reaches it any more")
            return
    tell("note", lane.service.name, "requests still reach it: connections or the tool's probes; the weights are 100/0")


async def _set_weight(config: SplitConfig, around: Surroundings, lane: Lane, weight: int) -> None:
    groups = (around.monolith.target_group_arn, lane.target_group_arn)
    for arn in lane.rule_arns:
        await shift_weight(config.aws, arn, *groups, weight)


async def _take_step(
    config: SplitConfig, around: Surroundings, lane: Lane, gates: Gates, step: Step, previous: Observed | None
) -> Observed | None:
    name = lane.service.name
    await _set_weight(config, around, lane, step.weight)
    tell("weight", name, f"weight {step.weight} %", weight=step.weight)
    probes = Probes()
    async with contextlib.AsyncExitStack() as stack:
        if gates.too_little_traffic == "synthesize":
            await stack.enter_async_context(synthesizing(lane))
        observed = await converge(config, around, lane, gates, step, previous)
        if gates.source != "cloudwatch":
            await stack.enter_async_context(probing(lane, probes))
        judgements = await bake(config, around, lane, gates, step, probes)
    verdict = worst(judgements)
    for judgement in judgements:
        tell(
            "verdict",
            name,
            judgement.text,
            verdict=judgement.verdict,
            numbers=dict(judgement.numbers),
            weight=step.weight,
        )
    if gates.dry_run or verdict == "pass" or (verdict == "inconclusive" and gates.too_little_traffic == "accept"):
        return observed
    reasons = "\n".join(f"  {item.gate}: {item.text}" for item in judgements if item.verdict == verdict)
    remedy = (
        "look at its log" if verdict == "fail" else "raise wait_limit, lower min_requests, or set too_little_traffic"
    )
    raise GateFailed(f"{name} at {step.weight} %: {verdict}; its traffic is back on the monolith; {remedy}\n{reasons}")
