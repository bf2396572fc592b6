"""The bake of a step: until its gates can be judged, and the monolith bears what it gets."""

import asyncio
import time

from flows.service.step.analysis import StepAnalysis
from tasks.gates import Judgement, worst

__all__ = ["bake"]


async def bake(analysis: StepAnalysis) -> list[Judgement]:
    """
    Wait until the step has baked and its gates can be judged.

    Returns:
        The verdicts: inconclusive ones only where `too_little_traffic` accepts them, in a dry run,
        or when `wait_limit` is over.
    """
    gates = analysis.gates
    accepts = gates.dry_run or gates.too_little_traffic == "accept"
    baked = time.time() + analysis.step.bake
    deadline = baked + analysis.lag + gates.metrics_period + gates.wait_limit
    held = False
    while True:
        now = time.time()
        if analysis.complete_until(now) >= baked:
            judgements = await analysis.judge()
            is_decided = accepts or worst(judgements) != "inconclusive"
            if now >= deadline or (is_decided and not analysis.must_hold):
                return judgements
            _emit_hold(analysis, held)
            held = analysis.must_hold
        await asyncio.sleep(analysis.pause)


def _emit_hold(analysis: StepAnalysis, held: bool) -> None:
    """Record once that the step waits for the monolith."""
    if analysis.monolith and analysis.must_hold and not held:
        analysis.emit_check(
            "inconclusive", f"holding: {analysis.monolith.text}", {"gate": "monolith"}
        )
