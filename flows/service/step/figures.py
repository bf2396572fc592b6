"""What CloudWatch has of one step, beside what the monolith answered before the shift."""

import asyncio
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from config.traffic import Gates, Step
from flows.service.placement import Placement
from flows.service.step.monolith_requests import add_sent, sent_to_monolith
from flows.service.step.probes import Probes, window_of_responses
from tasks.aws.call import call
from tasks.cloudwatch.metrics import Window, read_window
from tasks.gates import Sides
from tasks.http.client import Response
from tasks.http.pacing import pace

__all__ = ["Figures", "Measured", "Past", "last_period_end", "pace_by_traffic", "read_past"]

_PERIODS_BEFORE: Final = 10


@dataclass(frozen=True)
class Past:
    """What the monolith responded before the shift."""

    window: Window = field(default_factory=Window)
    """Its newest periods; empty where CloudWatch is not read."""
    had_all: bool = False
    """Whether it had all of the paths' requests; else an interrupted run had shifted some."""


@dataclass(frozen=True)
class Measured:
    """What both target groups responded since a step."""

    service: Window
    users: Window
    """The service's without the tool's own requests."""
    monolith: Window
    """On all of its paths."""


class Figures:
    """
    The figures of one step.

    Args:
        placement: The service's place on the listener.
        step: The step.
        past: What the monolith responded before the shift.
        previous: Those of the step before; None at the first one.
    """

    def __init__(
        self, placement: Placement, step: Step, past: Past, previous: "Figures | None" = None
    ) -> None:
        self._placement = placement
        self._step = step
        self.past = past
        self._previous = previous
        self.since = time.time()
        """Seconds since the epoch; just before the change of weight."""
        self.probes = Probes()
        """The tool's own requests in this step."""
        self.users = Window()
        """What the service responded to users when the step was last judged."""

    @property
    def gates(self) -> Gates:
        """The service's gates."""
        return self._placement.gates

    async def measure(self, until: float, *, early: bool) -> Measured:
        """
        Read both target groups.

        Args:
            until: Seconds since the epoch.
            early: Whether the newest figures are read too, which are incomplete.
        """
        service, monolith = await asyncio.gather(
            self._read(self._placement.target_group_arn, until),
            self._read(self._placement.monolith_group_arn, until),
        )
        # Only those requests are subtracted that CloudWatch is sure to have counted.
        complete = min(until, time.time() - self.gates.metrics_lag)
        users = service.without(self._own(complete)).without(self._samples(complete))
        if not early:
            self.users = users
        return Measured(service, users, monolith)

    def sides(self, measured: Measured, until: float) -> Sides:
        """
        What the status gates compare.

        Args:
            measured: The figures.
            until: The moment until which they were read. All of the tool's own requests are
                subtracted, so that the service never seems to have more than the monolith by them.
        """
        return Sides(
            weight=self._step.weight,
            service=measured.service.without(self._own(until)).without(self._samples(until)),
            monolith=measured.monolith,
            past=self.past.window if self.past.had_all else Window(),
            earlier=self._previous.users if self._previous else Window(),
        )

    async def _read(self, target_group_arn: str, until: float) -> Window:
        return await _read_metrics(self._placement, target_group_arn, self.since, until)

    def _own(self, until: float) -> Window:
        """The tool's own requests among the service's, in the periods that are read."""
        return window_of_responses(list(self.counted(self._start, until)))

    @property
    def _start(self) -> int:
        """When the period of the change of weight begins: the first one that is read."""
        period = self.gates.metrics_period
        return math.floor(self.since / period) * period

    def users_of_monolith(self, measured: Measured, until: float) -> Window:
        """
        What the monolith responded without the tool's own requests: a path that it has always
        failed is no suffering of its users.

        Args:
            measured: The figures.
            until: The moment until which they were read; all own requests are subtracted.
        """
        users = measured.monolith
        for own in sent_to_monolith(self._start, until):
            users = users.without(own)
        return users

    def begin(self) -> None:
        """Begin to count; just before the change of weight."""
        self.since = time.time()
        add_sent(self._sent_to_monolith)

    def _sent_to_monolith(self, start: float, end: float) -> Window:
        return self.probes.sent_to_monolith(start, end, self._step.weight)

    def _samples(self, until: float) -> Window:
        """The service's part of the samples on the public route, by expectation."""
        sampled = window_of_responses(self.probes.sampled(self.since, until))
        share = self._step.weight / 100
        requests = round(sampled.requests * share)
        of_2xx, of_3xx, of_4xx = [round(count * share) for count in sampled.responses]
        return Window(
            requests=requests,
            failed=min(sampled.failed, requests),
            responses=(of_2xx, of_3xx, of_4xx),
        )

    def counted(self, start: float, end: float) -> Iterator[Response]:
        """
        The tool's own requests that the load balancer counts among the service's.

        A period may have begun in the steps before, so theirs are included.

        Args:
            start: Seconds since the epoch; only what was sent since then,
            end: and before this moment.
        """
        yield from self.probes.counted(start, end)
        if self._previous:
            yield from self._previous.counted(start, end)


def last_period_end(gates: Gates, now: float) -> float:
    """The end of the newest period whose metrics are complete."""
    period = gates.metrics_period
    complete = now - gates.metrics_lag
    return math.floor(complete / period) * period


async def _read_metrics(
    placement: Placement, target_group_arn: str, start: float, end: float
) -> Window:
    return await call(
        read_window,
        placement.aws,
        placement.metrics_of(target_group_arn),
        start,
        end,
        placement.gates.metrics_period,
    )


async def pace_by_traffic(placement: Placement) -> None:
    """Set the budget of the tool's own requests by what the monolith gets now."""
    gates = placement.gates
    end = last_period_end(gates, time.time())
    start = end - _PERIODS_BEFORE * gates.metrics_period
    window = await _read_metrics(placement, placement.monolith_group_arn, start, end)
    rate = placement.config.own_requests.rate(window.requests / max(window.seconds, 1))
    if placement.config.fan_out == "work_pool":
        rate /= placement.config.max_parallel
    pace().allow(rate)


async def read_past(placement: Placement, weight: int) -> Past:
    """
    What the monolith responded lately: the baseline for a service that has taken over its requests.

    Args:
        placement: The service's place on the listener.
        weight: Percent that the service has now.
    """
    gates = placement.gates
    if gates.source == "probes":
        return Past()
    end = last_period_end(gates, time.time())
    start = end - _PERIODS_BEFORE * gates.metrics_period
    window = await _read_metrics(placement, placement.monolith_group_arn, start, end)
    return Past(window, had_all=weight == 0)
