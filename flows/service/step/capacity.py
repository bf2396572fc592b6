"""Before a step: the service must be able to take what it is given."""

import asyncio
import time
from typing import Final

from config.errors import GateFailed
from config.traffic import Step
from flows.record.events import emit
from flows.service.placement import Placement
from tasks.autoscaling.scaling import minimum_command, read_minimum
from tasks.aws.call import call
from tasks.ecs.service_batch import read_service_together
from tasks.elbv2.target_group import read_target_health
from tasks.gates import Judgement
from tasks.gates.capacity import Capacity, judge_capacity, tasks_for

__all__ = ["wait_for_capacity"]

_PAUSE: Final = 2.0


async def wait_for_capacity(placement: Placement, step: Step) -> None:
    """
    Wait until the service has the tasks that a step needs: all of `desired_count` for all of the
    traffic. A minimum of its autoscaling that is too low is not waited for: it stays as it is.

    Args:
        placement: The service's place on the listener.
        step: The step that comes next.

    Raises:
        GateFailed: It does not have them within `wait_limit`; not in a dry run.
    """
    gates = placement.gates
    deadline = time.monotonic() + gates.wait_limit
    judgement = await _judge(placement, step)
    if _may_pass(judgement):
        emit("note", placement.name, f"waiting for capacity: {judgement.text}")
    while _may_pass(judgement) and time.monotonic() < deadline and not gates.dry_run:
        await asyncio.sleep(_PAUSE)
        judgement = await _judge(placement, step)
    _record(placement, step, judgement)


def _may_pass(judgement: Judgement) -> bool:
    """Whether a verdict that is `fail` now may change by itself."""
    return judgement.verdict == "fail" and not _has_low_minimum(judgement)


def _has_low_minimum(judgement: Judgement) -> bool:
    minimum = judgement.numbers["minimum"]
    return minimum is not None and minimum < judgement.numbers["needed"]


def _record(placement: Placement, step: Step, judgement: Judgement) -> None:
    verdict = judgement.verdict
    emit(
        "check",
        placement.name,
        judgement.text,
        verdict=verdict,
        numbers={"gate": judgement.gate, **judgement.numbers},
        weight=step.weight,
    )
    if verdict == "fail" and not placement.gates.dry_run:
        raise GateFailed(_explain(placement, step, judgement))


def _explain(placement: Placement, step: Step, judgement: Judgement) -> str:
    text = f"{placement.name} before {step.weight}%: {judgement.text}"
    if not _has_low_minimum(judgement):
        return f"{text} after {placement.gates.wait_limit:g} s; raise its tasks"
    cluster = placement.discovered.cluster_arn
    command = minimum_command(cluster, placement.name, judgement.numbers["needed"])
    return f"{text}; raise the minimum of its autoscaling with `{command}`"


async def _judge(placement: Placement, step: Step) -> Judgement:
    capacity = await _read_capacity(placement)
    needed = tasks_for(placement.service.desired_count, step.weight)
    return judge_capacity(capacity, needed, step.weight)


async def _read_capacity(placement: Placement) -> Capacity:
    aws = placement.aws
    cluster = placement.discovered.cluster_arn
    service, health, minimum = await asyncio.gather(
        read_service_together(aws, cluster, placement.name),
        call(read_target_health, aws, placement.target_group_arn),
        call(read_minimum, aws, cluster, placement.name),
    )
    running = service["runningCount"] if service else 0
    return Capacity(running=running, healthy=health.healthy, minimum=minimum)
