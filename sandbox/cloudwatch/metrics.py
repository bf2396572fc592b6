"""
The metrics of namespace AWS/ApplicationELB, kept by the second for three hours.

Source: ELB user guide, "CloudWatch metrics for your Application Load Balancer".
"""

import threading
from array import array
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["KEPT", "Metrics", "Source"]

KEPT: Final = 3 * 3600
"""Seconds."""

_RESPONSE_TIME: Final = "TargetResponseTime"
_HOST_COUNTS: Final = ("HealthyHostCount", "UnHealthyHostCount")
_OF_LOAD_BALANCER_ALONE: Final = (
    "HTTPCode_ELB_",
    "HTTP_Fixed_Response_Count",
    "HTTP_Redirect_Count",
)

Source = tuple[str, str]
"""
Load balancer (`app/name/id`) and target group (`targetgroup/name/id`; empty when none was chosen).
"""
Values = Iterator[tuple[int, list[float]]]
"""Epoch seconds and the values of that second."""


@dataclass
class _Tally:
    """One second of one source."""

    counts: Counter[str] = field(default_factory=Counter)
    times: "array[float]" = field(default_factory=lambda: array("f"))

    def values(self, metric: str) -> list[float]:
        if metric == _RESPONSE_TIME:
            return list(self.times)
        return [1.0] * self.counts[metric]

    def metrics(self) -> Iterator[str]:
        yield from self.counts
        if self.times:
            yield _RESPONSE_TIME


@dataclass
class _Hosts:
    """How many targets were healthy and unhealthy, and since when; None: no longer in use."""

    since: list[int] = field(default_factory=list)
    counts: list[tuple[int, int] | None] = field(default_factory=list)

    def set(self, counts: tuple[int, int] | None, second: int) -> None:
        if self.counts and self.counts[-1] == counts:
            return
        if self.since and self.since[-1] == second:
            self.counts[-1] = counts
        else:
            self.since.append(second)
            self.counts.append(counts)
        while len(self.since) > 1 and self.since[1] < second - KEPT:
            del self.since[0], self.counts[0]

    def values(self, metric: str, start: int, end: int) -> Values:
        index = _HOST_COUNTS.index(metric)
        ends = [*self.since[1:], end]
        for since, until, counts in zip(self.since, ends, self.counts, strict=True):
            if counts is not None:
                for second in range(max(since, start), min(until, end)):
                    yield second, [float(counts[index])]


class Metrics:
    """Written by the load balancers' thread; safe to read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: OrderedDict[int, dict[Source, _Tally]] = OrderedDict()
        self._hosts: dict[Source, _Hosts] = {}

    def add(
        self, source: Source, time: float, counted: Iterable[str], target_time: float | None
    ) -> None:
        """
        Count a request.

        Args:
            source: Its load balancer and target group.
            time: When it ended, in epoch seconds.
            counted: The metrics to which it adds one.
            target_time: Seconds until the target's response; None when there was none.
        """
        with self._lock:
            tally = self._second(int(time)).setdefault(source, _Tally())
            tally.counts.update(counted)
            if target_time is not None:
                tally.times.append(target_time)

    def set_hosts(self, hosts: Mapping[Source, tuple[int, int]], now: float) -> None:
        """
        Set the number of healthy and unhealthy targets of every group in use.

        Args:
            hosts: By load balancer and group; a group that is missing is no longer in use.
            now: Seconds since the epoch.
        """
        with self._lock:
            for source in hosts.keys() | self._hosts.keys():
                known = self._hosts.setdefault(source, _Hosts())
                known.set(hosts.get(source), int(now))

    def read(
        self, metric: str, dimensions: Mapping[str, str], start: int, end: int
    ) -> list[tuple[int, list[float]]]:
        """
        Every value from `start` (inclusive) to `end` (exclusive), by the second; seconds without
        one are left out.

        Args:
            metric: Its name.
            dimensions: `LoadBalancer`, or `LoadBalancer` and `TargetGroup`; with others there are
                no data, as in AWS.
            start: Seconds since the epoch.
            end: Seconds since the epoch.
        """
        if dimensions.keys() not in ({"LoadBalancer"}, {"LoadBalancer", "TargetGroup"}):
            return []
        load_balancer, group = dimensions["LoadBalancer"], dimensions.get("TargetGroup")
        with self._lock:
            if metric in _HOST_COUNTS:
                hosts = self._hosts.get((load_balancer, group or ""), _Hosts())
                return list(hosts.values(metric, start, end))
            if group and metric.startswith(_OF_LOAD_BALANCER_ALONE):
                return []
            return list(self._read_requests(metric, load_balancer, group, start, end))

    def series(self) -> set[tuple[str, Source]]:
        """
        Every metric that has data, with its load balancer and group (empty: of the whole load
        balancer).
        """
        found = set()
        with self._lock:
            for source in self._hosts:
                found |= {(metric, source) for metric in _HOST_COUNTS}
            for second in self._seconds.values():
                for source, tally in second.items():
                    found |= _series_of(source, tally)
        return found

    def _second(self, second: int) -> dict[Source, _Tally]:
        if second not in self._seconds:
            self._seconds[second] = {}
            while next(iter(self._seconds)) < second - KEPT:
                self._seconds.popitem(last=False)
        return self._seconds[second]

    def _read_requests(
        self, metric: str, load_balancer: str, group: str | None, start: int, end: int
    ) -> Values:
        for second in sorted(self._seconds):
            if not start <= second < end:
                continue
            values: list[float] = []
            for (source, chosen), tally in self._seconds[second].items():
                if source == load_balancer and group in (None, chosen):
                    values += tally.values(metric)
            if values:
                yield second, values


def _series_of(source: Source, tally: _Tally) -> set[tuple[str, Source]]:
    load_balancer, group = source
    found = set()
    for metric in tally.metrics():
        found.add((metric, (load_balancer, "")))
        if group and not metric.startswith(_OF_LOAD_BALANCER_ALONE):
            found.add((metric, source))
    return found
