"""Whether the service's target group gets the requests of its weight, or no requests any more."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from config.service import ServiceConfig
from config.split import SplitConfig
from config.traffic import Gates
from flows.record.events import emit
from flows.service.step.analysis import StepAnalysis
from tasks.aws.call import call
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests

__all__ = ["Observed", "wait_for_rate", "wait_until_idle"]

_LONGEST_PAUSE: Final = 5.0
_IDLE_PERIODS: Final = 10


@dataclass(frozen=True)
class Observed:
    """What reached the service at a weight."""

    weight: int
    rate: float
    """Requests a second that the load balancer sent to its target group."""


@dataclass(frozen=True)
class _Traffic:
    """What the load balancer sent to the service's target group since a step."""

    name: str
    """The service's name."""
    requests: int
    seconds: float
    expected: float
    """The least rate that shows that the weights took effect."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def matches(self) -> bool:
        """Whether the service gets the expected requests."""
        if self.requests == 0:
            return False
        return self.rate >= self.expected

    @property
    def numbers(self) -> dict[str, Any]:
        """For the record."""
        return {
            "observed": round(self.rate, 2),
            "expected": round(self.expected, 2),
            "unit": "requests/s",
            "requests": self.requests,
        }

    def __str__(self) -> str:
        """For example `1.2 requests/s reached users`."""
        return f"{self.rate:.1f} requests/s reached {self.name}"


async def wait_for_rate(analysis: StepAnalysis, previous: Observed | None) -> Observed | None:
    """
    Wait until the request rate of the service's target group has grown as the weight has.

    Args:
        analysis: The step that was just taken.
        previous: What was observed at the step before.

    Returns:
        What was observed; None where it is not known and need not be.

    Raises:
        GateFailed: It did not grow within `wait_limit`; not in a dry run.
    """
    gates = analysis.gates
    began = time.time() + gates.metrics_period
    deadline = began + gates.metrics_lag + gates.wait_limit
    while True:
        traffic = await _read_traffic(analysis, previous, began)
        if traffic.matches:
            _emit_match(analysis, traffic)
            return Observed(analysis.step.weight, traffic.rate)
        if _may_be_too_little(analysis, traffic):
            _emit_too_little(analysis, traffic)
            return None
        if time.time() > deadline:
            analysis.fail_check(_explain(analysis, traffic), traffic.numbers)
            return None


async def _read_traffic(
    analysis: StepAnalysis, previous: Observed | None, began: float
) -> _Traffic:
    """What CloudWatch has since a moment, once that is a whole period at least."""
    placement = analysis.placement
    end = await _next_end(analysis.gates, began)
    requests = await call(
        count_requests,
        placement.aws,
        placement.metrics_of(placement.target_group_arn),
        began,
        end,
        analysis.gates.metrics_period,
    )
    return _Traffic(
        name=placement.name,
        requests=requests,
        seconds=end - began,
        expected=expected_rate(analysis.step.weight, previous),
    )


async def _next_end(gates: Gates, began: float) -> float:
    """Wait, and return until when figures are complete: a whole period after `began` or more."""
    while True:
        await asyncio.sleep(min(gates.metrics_period, _LONGEST_PAUSE))
        end = time.time() - gates.metrics_lag
        if end - began >= gates.metrics_period:
            return end


def expected_rate(weight: int, previous: Observed | None) -> float:
    """
    Halfway between the rate before and what the new weight makes of it: weights that did not take
    effect stay below.
    """
    if previous is None:
        return 0.0
    growth = weight / previous.weight
    return previous.rate * (1 + growth) / 2


def _may_be_too_little(analysis: StepAnalysis, traffic: _Traffic) -> bool:
    """Whether the config accepts that there are too few requests, after the length of a bake."""
    if analysis.gates.too_little_traffic != "accept":
        return False
    return traffic.seconds >= analysis.step.bake


def _emit_match(analysis: StepAnalysis, traffic: _Traffic) -> None:
    text = f"observed split: {traffic}, at least {traffic.expected:.1f} expected"
    analysis.emit_check("pass", text, traffic.numbers)


def _emit_too_little(analysis: StepAnalysis, traffic: _Traffic) -> None:
    text = f"observed split: {traffic}, too few for a verdict"
    analysis.emit_check("inconclusive", text, traffic.numbers)


def _explain(analysis: StepAnalysis, traffic: _Traffic) -> str:
    return (
        f"observed split: {traffic} {analysis.gates.wait_limit:g} s after weight "
        f"{analysis.step.weight}% was set, at least {traffic.expected:.1f} expected; check which "
        "other rule matches its paths, or set too_little_traffic to accept"
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
