"""How a path's traffic is shifted: in which steps, and under which gates."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StrictFloat, StrictInt

from config.base import ConfigModel

__all__ = [
    "AllAtOnce",
    "Canary",
    "Gates",
    "LatencyRatio",
    "Linear",
    "OwnRequests",
    "Step",
    "Steps",
    "Traffic",
]

Percent = Annotated[StrictInt, Field(ge=1, le=100)]
Seconds = Annotated[StrictFloat, Field(ge=0, le=86400)]


class Step(ConfigModel):
    """One weight, and how long it is observed before the next."""

    weight: Percent
    """Percent of the path's requests that the service gets."""
    bake: Seconds = 60
    """Seconds under gates before the next step."""


class AllAtOnce(ConfigModel):
    """All traffic in one step."""

    strategy: Literal["all_at_once"] = "all_at_once"
    """All at once."""
    bake: Seconds = 60
    """Seconds under gates at 100%."""

    def steps(self) -> tuple[Step, ...]:
        """The steps this strategy means."""
        step = Step(weight=100, bake=self.bake)
        return (step,)


class Linear(ConfigModel):
    """Equal steps."""

    strategy: Literal["linear"] = "linear"
    """Linear."""
    step: Percent = 10
    """Percent by which each step raises the weight."""
    interval: Seconds = 60
    """Seconds under gates at each weight."""

    def steps(self) -> tuple[Step, ...]:
        """The steps this strategy means; the last is 100."""
        weights = [*range(self.step, 100, self.step), 100]
        steps = [Step(weight=weight, bake=self.interval) for weight in weights]
        return tuple(steps)


class Canary(ConfigModel):
    """A small share first, then everything."""

    strategy: Literal["canary"] = "canary"
    """Canary."""
    weight: Annotated[StrictInt, Field(ge=1, le=99)] = 10
    """Percent in the first step."""
    bake: Seconds = 300
    """Seconds under gates in each of the two steps."""

    def steps(self) -> tuple[Step, ...]:
        """The steps this strategy means."""
        return (
            Step(weight=self.weight, bake=self.bake),
            Step(weight=100, bake=self.bake),
        )


class Steps(ConfigModel):
    """An explicit list."""

    strategy: Literal["steps"] = "steps"
    """Explicit steps."""
    list: tuple[Step, ...] = Field(
        default=(Step(weight=10), Step(weight=50), Step(weight=100)), min_length=1
    )
    """Rising weights; the last is 100."""

    def faults(self) -> Iterator[str]:
        """Weights that do not rise to 100."""
        weights = [step.weight for step in self.list]
        if weights != sorted(set(weights)) or weights[-1] != 100:
            yield (
                f"list: the weights {weights} do not rise to 100; put them in rising order and end "
                "with 100"
            )

    def steps(self) -> tuple[Step, ...]:
        """The steps as given."""
        return self.list


class LatencyRatio(ConfigModel):
    """How much slower than the monolith a service may be, in the same window."""

    p50: Annotated[StrictFloat, Field(gt=0)] | None = None
    """Limit for the median, e.g. `1.5`; none by default."""
    p95: Annotated[StrictFloat, Field(gt=0)] | None = 2.0
    """Limit for the 95th percentile."""
    p99: Annotated[StrictFloat, Field(gt=0)] | None = None
    """Limit for the 99th percentile."""


class Gates(ConfigModel):
    """
    Conditions during each step; a failed one rolls the service's traffic back to the monolith at
    once.
    """

    dry_run: bool = False
    """Only report verdicts; never roll traffic back."""
    max_5xx_rate: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.01
    """Share of the service's responses that may be 5xx, from 0 to 1."""
    max_status_difference: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.01
    """
    Share of the service's responses, from 0 to 1, by which its 3xx or 4xx may exceed what the
    monolith answers on the same paths, or 2xx where the monolith answers 4xx; 1 for no limit.
    """
    latency_ratio: LatencyRatio = LatencyRatio()
    """Latency against the monolith's."""
    latency_floor: Annotated[StrictFloat, Field(ge=0)] = 0.025
    """Seconds; a percentile below this is never too slow, whatever its ratio."""
    min_requests: Annotated[StrictInt, Field(ge=0)] = 50
    """Requests of users that a step needs for a verdict; the tool's own do not count."""
    too_little_traffic: Literal["wait", "synthesize", "accept"] = "wait"
    """
    With fewer: `wait` for more (at most `wait_limit`), `synthesize` GETs from checks and parity
    paths, or `accept` the step without a verdict.
    """
    wait_limit: Seconds = 900
    """Seconds to wait for enough requests, and for the observed split to match the weights."""
    alarms: tuple[str, ...] = ()
    """Names of CloudWatch alarms; the gate fails when one is in ALARM."""
    source: Literal["cloudwatch", "probes", "both"] = "both"
    """
    Source of latency and errors: the ALB's CloudWatch metrics, the tool's own probes, or both.
    CloudWatch counts every request of users, but compares with the monolith's responses on all
    paths; probes send both the same requests, but on the preview and control routes only.
    """
    metrics_period: Annotated[StrictInt, Field(ge=1, le=300)] = 60
    """Seconds; the resolution of the ALB's metrics in CloudWatch (60 in AWS)."""
    metrics_lag: Seconds = 120
    """Seconds until the ALB's metrics are complete in CloudWatch."""
    tolerance: Annotated[StrictFloat, Field(gt=0, le=100)] = 10
    """Percentage points by which the observed share of requests may differ from the weight."""

    def faults(self) -> Iterator[str]:
        """A period that CloudWatch does not support."""
        period = self.metrics_period
        if not _is_cloudwatch_period(period):
            yield (
                f"metrics_period: {period} is not a CloudWatch period; use 1, 5, 10, 30 or a "
                "multiple of 60"
            )


def _is_cloudwatch_period(seconds: int) -> bool:
    """Whether CloudWatch supports a period."""
    return seconds % 60 == 0 or seconds in (1, 5, 10, 30)


class OwnRequests(ConfigModel):
    """How many requests the tool sends itself, in all checks, comparisons, probes and samples."""

    share: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.1
    """Share of the monolith's observed requests, from 0 to 1, that the tool may add to them."""
    least: Annotated[StrictFloat, Field(ge=1, le=1000)] = 10
    """Requests a second that it may send in any case."""
    most: Annotated[StrictFloat, Field(ge=1, le=1000)] = 50
    """Requests a second that it never exceeds."""

    def faults(self) -> Iterator[str]:
        """A least rate above the highest one."""
        if self.least > self.most:
            yield f"least: {self.least:g} is more than most {self.most:g}; lower it, or raise most"

    def rate(self, observed: float) -> float:
        """
        Requests a second that the tool may send.

        Args:
            observed: Requests a second that the monolith gets.
        """
        return min(self.most, max(self.least, self.share * observed))


class Traffic(ConfigModel):
    """Steps and gates of the shift."""

    shift: Annotated[AllAtOnce | Linear | Canary | Steps, Field(discriminator="strategy")] = Steps()
    """The weights, in order."""
    gates: Gates = Gates()
    """What must hold at each weight."""
    approve_first_step: bool = False
    """Whether the first step needs approval."""
