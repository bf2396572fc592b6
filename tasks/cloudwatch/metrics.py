"""The load balancer's CloudWatch metrics of one target group."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from config.aws import AwsConfig
from tasks.aws.clients import client

__all__ = ["TargetGroupRef", "Window", "count_requests", "read_window", "window_of"]

_NAMESPACE: Final = "AWS/ApplicationELB"
_PERCENTILES: Final = ("p50", "p95", "p99")
_ANSWERED: Final = {
    f"answered_{family}xx": f"HTTPCode_Target_{family}XX_Count" for family in (2, 3, 4, 5)
}
_LONGEST_PERIOD: Final = 86400

Values = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class TargetGroupRef:
    """A target group behind one load balancer, as CloudWatch names the two."""

    load_balancer: str
    """`app/name/id`."""
    target_group: str
    """`targetgroup/name/id`."""

    @classmethod
    def of(cls, load_balancer_arn: str, target_group_arn: str) -> "TargetGroupRef":
        """From the two ARNs."""
        balancer = load_balancer_arn.partition(":loadbalancer/")[2]
        group = target_group_arn.partition(":targetgroup/")[2]
        return cls(balancer, f"targetgroup/{group}")

    @property
    def dimensions(self) -> list[dict[str, str]]:
        """The group's dimensions."""
        return [{"Name": "TargetGroup", "Value": self.target_group}, *self.balancer_dimensions]

    @property
    def balancer_dimensions(self) -> list[dict[str, str]]:
        """Those of the load balancer with all of its groups."""
        return [{"Name": "LoadBalancer", "Value": self.load_balancer}]


@dataclass(frozen=True)
class Window:
    """The responses in a span of time."""

    requests: int = 0
    failed: int = 0
    """Responses with 5xx, and requests without a response."""
    responses: tuple[int, int, int] = (0, 0, 0)
    """Responses with 2xx, 3xx and 4xx."""
    connection_errors: int = 0
    """Connections to a target that could not be opened."""
    seconds: float = 0
    """Length of the span."""
    p50: float | None = None
    """Seconds; None without requests."""
    p95: float | None = None
    p99: float | None = None

    @property
    def failure_rate(self) -> float:
        """Share of the requests that failed, from 0 to 1."""
        return round(self.failed / max(self.requests, 1), 4)

    def of_class(self, family: int) -> int:
        """Responses with 2xx, 3xx or 4xx: `family` is the first digit."""
        return self.responses[family - 2]

    def without(self, part: "Window") -> "Window":
        """Subtract the counts of a part; the percentiles stay those of all requests."""
        requests = self.requests - part.requests
        failed = max(self.failed - part.failed, 0)
        pairs = zip(self.responses, part.responses, strict=True)
        left_2xx, left_3xx, left_4xx = [max(own - other, 0) for own, other in pairs]
        return replace(
            self,
            requests=max(requests, failed),
            failed=failed,
            responses=(left_2xx, left_3xx, left_4xx),
        )


def read_window(
    aws: AwsConfig, group: TargetGroupRef, start: float, end: float, period: int
) -> Window:
    """
    Read requests, errors and latency of a target group, in every period that a span touches.

    Args:
        aws: Where AWS is.
        group: The target group.
        start: Seconds since the epoch, inclusive.
        end: Seconds since the epoch, exclusive; what is newer than CloudWatch's lag is not
            complete.
        period: Seconds, the resolution of the metrics.

    Source: CloudWatch GetMetricData; ELB user guide, "CloudWatch metrics for your Application Load
        Balancer".
    """
    first, last = _edges(start, end, period)
    if last <= first:
        return Window()
    queries = [
        *_count_queries(group, period),
        *_percentile_queries(group, _whole_period(first, last, period)),
    ]
    values = _read(aws, queries, first, last)
    return replace(window_of(values), seconds=last - first)


def _count_queries(group: TargetGroupRef, period: int) -> Iterator[Any]:
    """Requests, responses by the first digit of their status, and the load balancer's errors."""
    own = group.dimensions
    balancer = group.balancer_dimensions
    yield _query("requests", "RequestCount", "Sum", own, period)
    for name, metric in _ANSWERED.items():
        yield _query(name, metric, "Sum", own, period)
    yield _query("unconnected", "TargetConnectionErrorCount", "Sum", own, period)
    yield _query("balancer_5xx", "HTTPCode_ELB_5XX_Count", "Sum", balancer, period)


def _percentile_queries(group: TargetGroupRef, period: int) -> Iterator[Any]:
    """Percentiles of the latency."""
    for name in _PERCENTILES:
        yield _query(name, "TargetResponseTime", name, group.dimensions, period)


def window_of(values: Values) -> Window:
    """
    Make one window of CloudWatch's values.

    Target 5xx alone would miss a task that dies over a request. The load balancer answers such a
    request with a 5xx of its own, but counts these for all of its groups together; a group's share
    is at most the requests that none of its targets answered. (Where a client went away, a request
    is unanswered as well, but there is no 5xx.) Connections that could not be opened are counted by
    group, so they are certainly its own.

    Args:
        values: By name: `requests`, `answered_2xx` to `answered_5xx`, `unconnected`,
            `balancer_5xx`, and the percentiles.
    """
    requests = _total(values, "requests")
    *responses, server_errors = [_total(values, name) for name in _ANSWERED]
    answered_2xx, answered_3xx, answered_4xx = responses
    unanswered = max(requests - sum(responses) - server_errors, 0)
    connection_errors = _total(values, "unconnected")
    balancer_errors = max(_total(values, "balancer_5xx"), connection_errors)
    return Window(
        requests=requests,
        failed=server_errors + min(unanswered, balancer_errors),
        responses=(answered_2xx, answered_3xx, answered_4xx),
        connection_errors=connection_errors,
        p50=_median(values, "p50"),
        p95=_median(values, "p95"),
        p99=_median(values, "p99"),
    )


def _total(values: Values, name: str) -> int:
    """The sum over all periods."""
    return round(sum(values.get(name, ())))


def _median(values: Values, name: str) -> float | None:
    """The median of all periods; None without values."""
    found = values.get(name)
    return statistics.median(found) if found else None


def count_requests(
    aws: AwsConfig, group: TargetGroupRef, start: float, end: float, period: int
) -> int:
    """
    Count the requests that the load balancer sent to the group, without health checks.

    Args:
        aws: Where AWS is.
        group: The target group.
        start: Seconds since the epoch; the periods that the span touches are counted whole.
        end: Seconds since the epoch.
        period: Seconds, the resolution of the metrics.

    Source: CloudWatch GetMetricData, RequestCount.
    """
    first, last = _edges(start, end, period)
    query = _query("requests", "RequestCount", "Sum", group.dimensions, period)
    values = _read(aws, [query], first, last)
    return _total(values, "requests")


def _edges(start: float, end: float, period: int) -> tuple[int, int]:
    """The edges of the periods that a span touches; CloudWatch rounds a start down as well."""
    first = math.floor(start / period)
    last = math.ceil(end / period)
    return first * period, last * period


def _whole_period(first: int, last: int, period: int) -> int:
    """
    One period over the whole window, where CloudWatch has such a period.

    Its percentiles are those of all requests. Those of several periods cannot be combined exactly;
    their median has to do.
    """
    span = last - first
    if span % 60 or first % 60 or span > _LONGEST_PERIOD:
        return period
    return span


def _read(aws: AwsConfig, queries: Sequence[Any], first: int, last: int) -> dict[str, list[float]]:
    """The values of each query in all periods."""
    pages = client(aws, "cloudwatch").get_paginator("get_metric_data")
    found = pages.paginate(
        MetricDataQueries=list(queries),
        StartTime=datetime.fromtimestamp(first, UTC),
        EndTime=datetime.fromtimestamp(last, UTC),
    ).build_full_result()
    values = defaultdict[str, list[float]](list)
    for result in found["MetricDataResults"]:
        name = result["Id"]
        values[name] += result["Values"]
    return values


def _query(name: str, metric: str, statistic: str, dimensions: Sequence[Any], period: int) -> Any:
    """A query as CloudWatch takes it."""
    described = {
        "Namespace": _NAMESPACE,
        "MetricName": metric,
        "Dimensions": list(dimensions),
    }
    return {
        "Id": name,
        "MetricStat": {"Metric": described, "Period": period, "Stat": statistic},
    }
