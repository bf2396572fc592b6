"""
Moves one service's traffic in weighted steps, and returns it to the monolith
when a gate fails.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from config.errors import GateFailed, LockLost, TrafficConflict
from config.split import SplitConfig
from config.traffic import Gates
from flows.record.events import emit
from flows.report.progress import show_progress
from flows.service.analysis import Breach, StepAnalysis, bake, read_before, unless_breached
from flows.service.idle import see_it_idle
from flows.service.placement import Placement
from flows.service.probes import probing, synthesizing
from flows.service.traffic_split import Observed, converge
from tasks.aws.call import call
from tasks.aws.rate_limit import urgently
from tasks.discovery import Discovered
from tasks.elbv2.lock import was_lost
from tasks.elbv2.weights import shift_weight
from tasks.gates import Judgement, worst

__all__ = ["roll_back_to_monolith", "shift_traffic"]


async def shift_traffic(
    config: SplitConfig, discovered: Discovered, placement: Placement, weight: int
) -> None:
    """
    Take every configured step that is not behind us yet.

    Args:
        config: The split.
        discovered: Listener and target groups.
        placement: The service's part of the listener.
        weight: Percent that the service has now, after an interrupted run more than 0.

    Raises:
        GateFailed: A gate failed, or stayed open; the monolith has all traffic again.
        TrafficConflict: Somebody else changed the rules; traffic is as they left it.
    """
    traffic = config.traffic_of(placement.service)
    before = await read_before(config, discovered, traffic.gates)
    if weight == 0:
        await _next_period(traffic.gates)
    observed: Observed | None = None
    try:
        for step in traffic.shift.steps():
            if step.weight >= weight:
                observed = await _take_step(
                    StepAnalysis(config, discovered, placement, step, before), observed
                )
    except (TrafficConflict, LockLost):
        raise
    except asyncio.CancelledError:
        if was_lost(discovered.listener_arn):
            raise  # the weights are the other run's now
        await asyncio.shield(
            roll_back_to_monolith(
                config, discovered, placement, "the run was cancelled", observe=False
            )
        )
        raise
    except BaseException as error:
        # Whatever went wrong, a half-shifted service that nobody watches is worse than none.
        why = (
            "a gate failed" if isinstance(error, GateFailed) else f"{type(error).__name__}: {error}"
        )
        await asyncio.shield(roll_back_to_monolith(config, discovered, placement, why))
        raise


async def _next_period(gates: Gates) -> None:
    """
    Let the first step begin with a period of the metrics, which then knows nothing of the checks
    before.
    """
    if gates.source != "probes":
        await asyncio.sleep(-time.time() % gates.metrics_period)


async def roll_back_to_monolith(
    config: SplitConfig,
    discovered: Discovered,
    placement: Placement,
    why: str,
    *,
    observe: bool = True,
) -> None:
    """
    Give the monolith everything, at once, and see that nothing reaches the service any more.

    Args:
        config: The split.
        discovered: Listener and target groups.
        placement: The service's part of the listener.
        why: The reason, for people.
        observe: Whether to wait until the metrics show it; the weights are read back in any case.
    """
    groups = (discovered.monolith.target_group_arn, placement.target_group_arn)
    with urgently():
        for arn in placement.rule_arns:
            # Not as a Prefect task: its server may be slow or away, and users' requests are
            # failing.
            await call(shift_weight.plain, config.aws, arn, *groups, 0)
    emit("weight", placement.service.name, f"weight 0 %: {why}", weight=0)
    if observe:
        await see_it_idle(
            config, discovered.load_balancer_arn, placement.service, placement.target_group_arn
        )
        await show_progress(placement.service.name, 0)


async def _set_weight(
    config: SplitConfig, discovered: Discovered, placement: Placement, weight: int
) -> None:
    groups = (discovered.monolith.target_group_arn, placement.target_group_arn)
    for arn in placement.rule_arns:
        await shift_weight(config.aws, arn, *groups, weight)


async def _take_step(analysis: StepAnalysis, previous: Observed | None) -> Observed | None:
    """
    Set the weight, see it take hold, and let it bake under the gates, which watch from the first
    moment.

    Raises:
        GateFailed: A gate failed, or stayed open.
    """
    name, gates, weight = analysis.placement.service.name, analysis.gates, analysis.step.weight
    await _set_weight(analysis.config, analysis.discovered, analysis.placement, weight)
    emit("weight", name, f"weight {weight} %", weight=weight)
    observed = None
    try:
        async with contextlib.AsyncExitStack() as stack:
            if gates.too_little_traffic == "synthesize":
                await stack.enter_async_context(
                    synthesizing(analysis.placement, gates, analysis.step)
                )
            observed = await unless_breached(analysis, converge(analysis, previous))
            await unless_breached(analysis, show_progress(name, weight))
            if gates.source != "cloudwatch":
                await stack.enter_async_context(
                    probing(analysis.placement, gates, analysis.step, analysis.probes)
                )
            judgements = await unless_breached(analysis, bake(analysis))
    except Breach as breach:
        judgements = breach.judgements
    _act_on(analysis, judgements)
    return observed


def _act_on(analysis: StepAnalysis, judgements: Sequence[Judgement]) -> None:
    """Tell the verdicts; raise unless the step may stand."""
    name, gates, weight = analysis.placement.service.name, analysis.gates, analysis.step.weight
    verdict = worst(judgements)
    prefix = "dry run: " if gates.dry_run else ""
    for item in judgements:
        emit(
            "verdict",
            name,
            prefix + item.text,
            verdict=item.verdict,
            numbers=dict(item.numbers),
            weight=weight,
        )
    if (
        gates.dry_run
        or verdict == "pass"
        or (verdict == "inconclusive" and gates.too_little_traffic == "accept")
    ):
        return
    reasons = "\n".join(
        f"  {item.gate}: {item.text}" for item in judgements if item.verdict == verdict
    )
    remedy = (
        "look at its log"
        if verdict == "fail"
        else "raise wait_limit, lower min_requests, or set too_little_traffic"
    )
    raise GateFailed(
        f"{name} at {weight} %: {verdict}; its traffic is back on the monolith; {remedy}\n{reasons}"
    )
