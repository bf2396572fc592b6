"""How long a run will take, and whether the credentials last as long: pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.service import ServiceConfig
from config.split import SplitConfig
from tasks.aws.credentials import CredentialsLife
from tasks.preflight.finding import Finding

__all__ = ["Duration", "check_life", "run_duration"]

_SHORTEST_SESSION: Final = 900.0
"""Seconds. Source: STS AssumeRole, DurationSeconds."""


@dataclass(frozen=True)
class Duration:
    """Of a run, in seconds."""

    least: float
    """Its bakes and quiet period alone."""
    most: float
    """With every wait at its limit."""


def run_duration(
    config: SplitConfig, steps: Mapping[str, Sequence[int]], *, drains: bool
) -> Duration:
    """
    How long a run will take.

    Args:
        config: The split.
        steps: The weights that each service still has to get, by its name.
        drains: Whether the run will drain the monolith.
    """
    bakes = []
    limits = []
    for name, weights in steps.items():
        service = config.service(name)
        bakes.append(_bakes(config, service, weights))
        limits.append(_limit(config, service, weights))
    rounds = math.ceil(len(steps) / config.max_parallel)
    least = max([*bakes, sum(bakes) / config.max_parallel])
    most = rounds * max(limits, default=0.0)
    if drains:
        least += config.monolith.quiet_seconds
        most += _limit_of_drain(config)
    return Duration(least, most)


def _bakes(config: SplitConfig, service: ServiceConfig, weights: Sequence[int]) -> float:
    """How long a service bakes."""
    steps = config.traffic_of(service).shift.steps()
    return sum(step.bake for step in steps if step.weight in weights)


def _limit(config: SplitConfig, service: ServiceConfig, weights: Sequence[int]) -> float:
    """How long a service may take until it is settled."""
    gates = config.traffic_of(service).gates
    # The split is waited for as long as requests are, then its metrics.
    waits_of_step = 2 * gates.wait_limit + gates.metrics_lag + gates.metrics_period
    return config.stable_timeout + _bakes(config, service, weights) + waits_of_step * len(weights)


def _limit_of_drain(config: SplitConfig) -> float:
    """How long the drain may take."""
    gates = config.traffic.gates
    quiet = 3 * config.monolith.quiet_seconds + gates.metrics_lag + 2 * gates.metrics_period
    approval = config.monolith.approval_timeout if config.monolith.drain == "approve" else 0
    return approval + quiet + config.stable_timeout


def check_life(life: CredentialsLife | None, duration: Duration, now: float) -> Iterator[Finding]:
    """
    Find credentials that end before the run: it could then not even return traffic.

    Args:
        life: How long the credentials last.
        duration: Of the run.
        now: Seconds since the epoch.
    """
    if life is None or not life.temporary or life.renewal == "always":
        return
    if life.expires is None:
        if duration.most > _SHORTEST_SESSION:
            yield _unknown_end(life, duration)
        return
    left = life.expires - now
    if life.renewal == "never" and left < duration.least:
        yield _ends_before(life, left, f"takes at least {_minutes(duration.least)}", stops=True)
    elif left < duration.most:
        yield _ends_before(life, left, f"may take {_minutes(duration.most)}", stops=False)


def _unknown_end(life: CredentialsLife, duration: Duration) -> Finding:
    return Finding(
        f"aws: the credentials ({life.source}) are temporary and have no known end, and the run "
        f"may take {_minutes(duration.most)}; make sure that they last as long",
        stops=False,
    )


def _ends_before(life: CredentialsLife, left: float, takes: str, *, stops: bool) -> Finding:
    """Credentials that end before the run, or may."""
    end = datetime.fromtimestamp(life.expires or 0).astimezone()
    renewal = ""
    if life.renewal == "while logged in":
        renewal = " and are renewed only while the login lasts"
    return Finding(
        f"aws: the credentials ({life.source}) expire at {end:%H:%M}, in {_minutes(left)}"
        f"{renewal}, and the run {takes}: without credentials it cannot return traffic; get new "
        "ones first, or run this with a role that renews itself",
        stops=stops,
    )


def _minutes(seconds: float) -> str:
    """For example `25 min`."""
    return f"{max(0, seconds) / 60:.0f} min"
