"""The capacity gate: whether a service can take the share of traffic that it is given next."""

import math
from dataclasses import dataclass

from tasks.gates.judgement import Judgement, Verdict

__all__ = ["Capacity", "judge_capacity", "tasks_for"]


@dataclass(frozen=True)
class Capacity:
    """What a service has."""

    running: int
    """ECS tasks."""
    healthy: int
    """Targets."""
    minimum: int | None
    """Tasks to which Application Auto Scaling may scale it in; None without autoscaling."""


def tasks_for(desired_count: int, weight: int) -> int:
    """
    The ECS tasks that a share of the traffic needs.

    Args:
        desired_count: Those for all of the traffic.
        weight: Percent.
    """
    return max(1, math.ceil(desired_count * weight / 100))


def judge_capacity(capacity: Capacity, needed: int, weight: int) -> Judgement:
    """
    Judge whether the service can take a weight: with tasks that run and are healthy, and that
    scaling does not stop.
    """
    found = [f"{capacity.running} running", f"{capacity.healthy} healthy"]
    fits = min(capacity.running, capacity.healthy) >= needed
    if capacity.minimum is not None:
        found.append(f"scaling may go down to {capacity.minimum}")
        fits = fits and capacity.minimum >= needed
    verdict: Verdict = "pass" if fits else "fail"
    text = f"capacity: {', '.join(found)}; weight {weight}% needs {needed}"
    numbers = {
        "running": capacity.running,
        "healthy": capacity.healthy,
        "minimum": capacity.minimum,
        "needed": needed,
    }
    return Judgement("capacity", verdict, text, numbers)
