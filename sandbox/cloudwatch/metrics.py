"""
The metrics of namespace AWS/ApplicationELB, kept by the second for three hours.

Source: ELB user guide, "CloudWatch metrics for your Application Load Balancer".
"""

import threading
from array import array
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from sandbox.elbv2.data_plane.access_log import Request

__all__ = ["KEPT", "Metrics", "counted"]

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
Load balancer (`app/name/id`) and target group (`targetgroup/name/id`, or empty where none was
chosen).
"""


@dataclass
class _Tally:
    """One second of one source."""

    counts: Counter[str] = field(default_factory=Counter)
    times: "array[float]" = field(default_factory=lambda: array("f"))


@dataclass
class _Hosts:
    """How many targets were healthy and unhealthy since when; None: no longer in use."""

    since: list[int] = field(default_factory=list)
    counts: list[tuple[int, int] | None] = field(default_factory=list)


class Metrics:
    """Written on the data plane's thread, read by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: OrderedDict[int, dict[Source, _Tally]] = OrderedDict()
        self._hosts: dict[Source, _Hosts] = {}

    def add(self, load_balancer: str, request: Request) -> None:
        """Count a request."""
        second = int(request.time)
        with self._lock:
            if second not in self._seconds:
                self._seconds[second] = {}
                while next(iter(self._seconds)) < second - KEPT:
                    self._seconds.popitem(last=False)
            tally = self._seconds[second].setdefault((load_balancer, request.group or ""), _Tally())
            tally.counts.update(counted(request))
            if request.target_time is not None:
                tally.times.append(request.target_time)

    def set_hosts(self, hosts: Mapping[Source, tuple[int, int]], now: float) -> None:
        """
        Note the healthy and unhealthy targets of every group in use.

        Args:
            hosts: By load balancer and group; a group that is missing is no longer in use.
            now: Seconds since the epoch.
        """
        second = int(now)
        with self._lock:
            for source in hosts.keys() | self._hosts.keys():
                known = self._hosts.setdefault(source, _Hosts())
                counts = hosts.get(source)
                if known.counts and known.counts[-1] == counts:
                    continue
                if known.since and known.since[-1] == second:
                    known.counts[-1] = counts
                else:
                    known.since.append(second)
                    known.counts.append(counts)
                while len(known.since) > 1 and known.since[1] < second - KEPT:
                    del known.since[0], known.counts[0]

    def read(
        self, metric: str, dimensions: Mapping[str, str], start: int, end: int
    ) -> list[tuple[int, list[float]]]:
        """
        Every value from `start` (inclusive) to `end` (exclusive), by the second; a second without
        one is left out.

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
                return list(self._read_hosts(metric, (load_balancer, group or ""), start, end))
            if group and metric.startswith(_OF_LOAD_BALANCER_ALONE):
                return []
            return list(self._read_requests(metric, load_balancer, group, start, end))

    def series(self) -> set[tuple[str, Source]]:
        """
        Every metric that there is, with its load balancer and group (empty: of the load balancer as
        a whole).
        """
        with self._lock:
            found = {(metric, source) for metric in _HOST_COUNTS for source in self._hosts}
            for sources in self._seconds.values():
                for (load_balancer, group), tally in sources.items():
                    for metric in (*tally.counts, *([_RESPONSE_TIME] if tally.times else [])):
                        found.add((metric, (load_balancer, "")))
                        if group and not metric.startswith(_OF_LOAD_BALANCER_ALONE):
                            found.add((metric, (load_balancer, group)))
        return found

    def _read_requests(
        self, metric: str, load_balancer: str, group: str | None, start: int, end: int
    ) -> Iterator[tuple[int, list[float]]]:
        for second in sorted(second for second in self._seconds if start <= second < end):
            values: list[float] = []
            for (source, chosen), tally in self._seconds[second].items():
                if source == load_balancer and group in (None, chosen):
                    values += (
                        tally.times if metric == _RESPONSE_TIME else [1.0] * tally.counts[metric]
                    )
            if values:
                yield second, values

    def _read_hosts(
        self, metric: str, source: Source, start: int, end: int
    ) -> Iterator[tuple[int, list[float]]]:
        known = self._hosts.get(source, _Hosts())
        ends = [*known.since[1:], end]
        for since, until, counts in zip(known.since, ends, known.counts, strict=True):
            if counts is not None:
                value = float(counts[_HOST_COUNTS.index(metric)])
                for second in range(max(since, start), min(until, end)):
                    yield second, [value]


def counted(request: Request) -> Iterator[str]:
    """The metrics that a request adds one to."""
    family = f"{request.status // 100}XX"
    if request.did == "forward":
        # Only what a target was chosen for is a request to CloudWatch.
        yield "RequestCount"
        if request.answered:
            yield f"HTTPCode_Target_{family}_Count"
            return
        if request.ended.endswith("C") and request.ended[0] in "Ss":
            yield "TargetConnectionErrorCount"
    elif request.did == "fixed":
        yield "HTTP_Fixed_Response_Count"
    elif request.did == "redirect":
        yield "HTTP_Redirect_Count"
    if request.status < 100:
        # The client went away before there was an answer: ALB's own code 460.
        yield "HTTPCode_ELB_4XX_Count"
        return
    if request.status >= 300:
        yield f"HTTPCode_ELB_{family}_Count"
    if request.status in (500, 502, 503, 504):
        yield f"HTTPCode_ELB_{request.status}_Count"
