"""The tasks that a service starts and stops next: pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.ecs.model.task import Task

__all__ = ["Step", "plan_step"]


@dataclass(frozen=True)
class Step:
    """The next step towards the desired count."""

    start: int
    """Tasks of the PRIMARY deployment to start."""
    stop: tuple[Task, ...]


def plan_step(
    desired: int,
    configuration: dict[str, Any],
    primary: Sequence[Task],
    former: Sequence[Task],
    *,
    may_start: bool,
) -> Step:
    """
    Plan one step of a rolling deployment, of scaling, or of replacing unhealthy tasks.

    Args:
        desired: The service's desired count.
        configuration: `minimumHealthyPercent` and `maximumPercent`.
        primary: Tasks of the PRIMARY deployment that are meant to run, oldest first.
        former: Those of the deployments before.
        may_start: Whether a task may be started now: not after a failed deployment, and not in the
            pause after failures.

    Source: ECS developer guide, "Rolling update" and "How Amazon ECS replaces unhealthy tasks": a
        replacement is started first, as long as the maximum allows.
    """
    if desired == 0:
        return Step(0, (*primary, *former))
    sound = [task for task in primary if task.standing != "unhealthy"]
    stop = _retire_former(desired, len(_healthy(primary)), former)
    stop += _scale_in(desired, sound)
    stop += _drop_unhealthy(desired, sound, primary)
    left = [task for task in (*former, *primary) if task not in stop]
    wanted = desired - len(sound) if may_start else 0
    most = max(1, math.floor(desired * configuration["maximumPercent"] / 100))
    start = max(0, min(wanted, most - len(left)))
    if wanted > start:
        least = math.ceil(desired * configuration["minimumHealthyPercent"] / 100)
        stop += _make_room(wanted - start, least, left, sound)
    return Step(start, tuple(stop))


def _healthy(tasks: Iterable[Task]) -> list[Task]:
    return [task for task in tasks if task.standing == "healthy"]


def _unhealthy(tasks: Iterable[Task]) -> list[Task]:
    return [task for task in tasks if task.standing == "unhealthy"]


def _retire_former(desired: int, healthy: int, former: Sequence[Task]) -> list[Task]:
    """Old tasks that healthy new ones replace, and those that were never healthy."""
    if healthy >= desired:
        return list(former)
    useless = [task for task in former if task.standing == "pending"]
    serving = _healthy(former)
    surplus = max(0, healthy + len(serving) - desired)
    return useless + serving[:surplus]


def _scale_in(desired: int, sound: Sequence[Task]) -> list[Task]:
    """New tasks above the desired count: the pending ones first, then the newest."""
    surplus = max(0, len(sound) - desired)
    newest_first = sorted(sound, key=lambda task: task.times["createdAt"], reverse=True)
    by_worth = sorted(newest_first, key=lambda task: task.standing == "healthy")
    return by_worth[:surplus]


def _drop_unhealthy(desired: int, sound: Sequence[Task], primary: Sequence[Task]) -> list[Task]:
    """Unhealthy tasks whose replacement is no longer pending."""
    if any(task.standing == "pending" for task in sound):
        return []
    unhealthy = _unhealthy(primary)
    needed = max(0, desired - len(sound))
    return unhealthy[: max(0, len(unhealthy) - needed)]


def _make_room(count: int, least: int, left: Sequence[Task], sound: Sequence[Task]) -> list[Task]:
    """At the maximum: unhealthy tasks, then old healthy ones as far as the minimum allows."""
    unhealthy = _unhealthy(left)[:count]
    healthy = _healthy(left)
    spare = max(0, len(healthy) - least)
    old = [task for task in healthy if task not in sound]
    return unhealthy + old[: min(spare, count - len(unhealthy))]
