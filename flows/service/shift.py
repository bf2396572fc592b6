"""
Shifts one service's traffic in weighted steps, and rolls it back to the monolith
when a gate fails.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

from config.errors import GateFailed, LockLost, MonolithOverloaded, TrafficConflict
from config.traffic import Gates
from flows.record.events import emit
from flows.report.progress import show_progress
from flows.service.capacity import raise_monolith
from flows.service.placement import Placement
from flows.service.step.analysis import Breach, StepAnalysis, unless_breached
from flows.service.step.bake import bake
from flows.service.step.capacity import wait_for_capacity
from flows.service.step.figures import Past, read_past
from flows.service.step.probes import probing, synthetic_traffic
from flows.service.step.request_rate import wait_until_idle
from flows.service.step.traffic_split import wait_for_split
from tasks.aws.call import call
from tasks.aws.rate_limit import urgently
from tasks.elbv2.lock import is_taken_over
from tasks.elbv2.weights import shift_weight
from tasks.gates import Judgement, Verdict, worst

__all__ = ["roll_back_to_monolith", "shift_traffic"]


async def shift_traffic(placement: Placement, weight: int) -> None:
    """
    Take every configured step from the service's present weight on.

    Args:
        placement: The service's place on the listener.
        weight: Percent that the service has now; more than 0 after an interrupted run.

    Raises:
        GateFailed: A gate failed or was inconclusive; the monolith has all traffic again.
        TrafficConflict: The rules were changed from outside; traffic stays as it is.
        MonolithOverloaded: The monolith fails, and cannot take traffic back; it stays as it is.
    """
    past = await read_past(placement, weight)
    if weight == 0:
        await _wait_for_next_period(placement.gates)
    try:
        await _take_steps(placement, weight, past)
    except (TrafficConflict, LockLost, MonolithOverloaded):
        raise
    except asyncio.CancelledError:
        await asyncio.shield(_return_after_cancel(placement))
        raise
    except BaseException as error:
        # After any error: a half-shifted service that no gate watches is worse than none.
        await asyncio.shield(roll_back_to_monolith(placement, _reason(error)))
        raise


async def _return_after_cancel(placement: Placement) -> None:
    if not await is_taken_over(placement.aws, placement.listener_arn):
        await roll_back_to_monolith(placement, "run cancelled", observe=False)
    # else the weights are another run's


async def _wait_for_next_period(gates: Gates) -> None:
    """Begin the first step with a new period of the metrics, without the checks' requests."""
    if gates.source != "probes":
        into_the_period = time.time() % gates.metrics_period
        await asyncio.sleep(gates.metrics_period - into_the_period)


def _reason(error: BaseException) -> str:
    if isinstance(error, GateFailed):
        return "gate failed"
    return f"{type(error).__name__}: {error}"


async def _take_steps(placement: Placement, weight: int, past: Past) -> None:
    analysis: StepAnalysis | None = None
    for step in placement.traffic.shift.steps():
        if step.weight >= weight:
            analysis = StepAnalysis(placement, step, past, analysis)
            await _take_step(analysis)


async def _take_step(analysis: StepAnalysis) -> None:
    """
    Set the weight, wait for the split to take effect, probe, bake, judge; a breach at any moment
    ends the step.

    Raises:
        GateFailed: A gate failed, or stayed inconclusive.
        LockLost: The run that this is a part of does not hold the listener any more.
    """
    placement = analysis.placement
    step = analysis.step
    await _check_lock(placement)
    await raise_monolith(placement)
    await _wait_for_capacity(analysis)
    analysis.begin()
    await _set_weight(placement, step.weight)
    try:
        async with synthetic_traffic(placement, step, analysis.probes):
            await unless_breached(analysis, wait_for_split(analysis))
            await unless_breached(analysis, show_progress(placement.name, step.weight))
            async with probing(placement, step, analysis.probes):
                judgements = await unless_breached(analysis, bake(analysis))
    except Breach as breach:
        judgements = breach.judgements
    _judge(analysis, judgements)


async def _check_lock(placement: Placement) -> None:
    """A run on the work pool may live on when its split has given it up, and returned traffic."""
    if await is_taken_over(placement.aws, placement.listener_arn):
        raise LockLost(
            f"{placement.name}: the split that this run is a part of does not hold the listener "
            "any more; its traffic stays as it is"
        )


async def _wait_for_capacity(analysis: StepAnalysis) -> None:
    """
    Wait until the service can take the step, under the gates of the step before.

    Raises:
        GateFailed: It cannot, or a gate failed in the meantime.
    """
    waiting = wait_for_capacity(analysis.placement, analysis.step)
    previous = analysis.previous
    if previous is None:
        await waiting
        return
    try:
        await unless_breached(previous, waiting)
    except Breach as breach:
        _judge(previous, breach.judgements)


async def _set_weight(placement: Placement, weight: int) -> None:
    """
    Give the service its weight on every rule, or on none.

    Raises:
        TrafficConflict: Somebody else changed a rule; the others have the weight before.
    """
    before: dict[str, int] = {}
    try:
        for rule in placement.rule_arns:
            before[rule] = await shift_weight(placement.aws, rule, *placement.group_arns, weight)
    except TrafficConflict as conflict:
        undone = await asyncio.shield(_set_back(placement, before))
        raise TrafficConflict("\n".join([str(conflict), *undone])) from conflict
    emit("weight", placement.name, f"weight {weight}%", weight=weight)


async def _set_back(placement: Placement, before: Mapping[str, int]) -> list[str]:
    """Give rules the weight before; what became of each."""
    undone = []
    for rule, weight in before.items():
        with urgently():
            try:
                await call(shift_weight.plain, placement.aws, rule, *placement.group_arns, weight)
                undone.append(f"{rule} gives {placement.name} {weight}% again, as before the step")
            except TrafficConflict as conflict:
                undone.append(str(conflict))
    return undone


def _judge(analysis: StepAnalysis, judgements: Sequence[Judgement]) -> None:
    """
    Record the verdicts.

    Raises:
        GateFailed: The step may not stay.
    """
    verdict = worst(judgements)
    for judgement in judgements:
        _emit_verdict(analysis, judgement)
    if verdict != "fail" and analysis.must_hold:
        _end_hold(analysis)
    if not _is_accepted(analysis.gates, verdict):
        raise GateFailed(_explain(analysis, judgements, verdict))


def _end_hold(analysis: StepAnalysis) -> None:
    """
    End a step during which the monolith suffered until the end.

    Raises:
        GateFailed: Traffic returns: the change of weight may be the cause.
        MonolithOverloaded: It does not, since that would make it worse.
    """
    text = analysis.monolith.text if analysis.monolith else ""
    head = f"{analysis.name} at {analysis.step.weight}%: {text}"
    if analysis.is_worth_a_return:
        raise GateFailed(f"{head}; traffic rolled back to the monolith; see the monolith's log")
    raise MonolithOverloaded(
        f"{head}; traffic stays at {analysis.step.weight}%, since its return would add more than a "
        "fifth to the monolith's requests; scale the monolith out, then run again or roll back"
    )


def _emit_verdict(analysis: StepAnalysis, judgement: Judgement) -> None:
    prefix = "dry run: " if analysis.gates.dry_run else ""
    emit(
        "verdict",
        analysis.name,
        prefix + judgement.text,
        verdict=judgement.verdict,
        numbers={"gate": judgement.gate, **judgement.numbers},
        weight=analysis.step.weight,
    )


def _is_accepted(gates: Gates, verdict: Verdict) -> bool:
    if gates.dry_run or verdict == "pass":
        return True
    return verdict == "inconclusive" and gates.too_little_traffic == "accept"


def _explain(analysis: StepAnalysis, judgements: Sequence[Judgement], verdict: Verdict) -> str:
    remedy = "see its log"
    if verdict == "inconclusive":
        remedy = "raise wait_limit, lower min_requests, or set too_little_traffic"
    head = (
        f"{analysis.name} at {analysis.step.weight}%: {verdict}; "
        f"traffic rolled back to the monolith; {remedy}"
    )
    reasons = [f"  {item.gate}: {item.text}" for item in judgements if item.verdict == verdict]
    return "\n".join([head, *reasons])


async def roll_back_to_monolith(placement: Placement, why: str, *, observe: bool = True) -> None:
    """
    Send the monolith all traffic at once, and wait until nothing reaches the service any more.

    Args:
        placement: The service's place on the listener.
        why: The reason, e.g. `checks failed`.
        observe: Whether to wait until the metrics show it; the weights are read back in any case.
    """
    with urgently():
        # At once, without waiting for its tasks: users' requests are failing already.
        await asyncio.gather(_reset_weights(placement), raise_monolith(placement))
    text = f"weight 0%: {why}, rolled back to the monolith"
    emit("weight", placement.name, text, weight=0)
    if observe:
        await wait_until_idle(
            placement.config,
            placement.discovered.load_balancer_arn,
            placement.service,
            placement.target_group_arn,
        )
        await show_progress(placement.name, 0)


async def _reset_weights(placement: Placement) -> None:
    """
    Not as Prefect tasks: the server may be slow or gone, and users' requests are failing. A rule
    that somebody changed does not keep the others from their return.
    """
    errors: list[Exception] = []
    for rule in placement.rule_arns:
        try:
            await call(shift_weight.plain, placement.aws, rule, *placement.group_arns, 0)
        except Exception as error:  # noqa: BLE001 - raised below, when all were tried
            errors.append(error)
    if errors:
        raise errors[0]
