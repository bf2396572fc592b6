"""The load balancer's CloudWatch metrics of one target group."""

import math
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from config.aws import AwsConfig
from tasks.clients import client

__all__ = ["TargetGroupRef", "Window", "count_requests", "read_window"]

_NAMESPACE: Final = "AWS/ApplicationELB"
_PERCENTILES: Final = ("p50", "p95", "p99")


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
        group = "targetgroup/" + target_group_arn.partition(":targetgroup/")[2]
        return cls(load_balancer_arn.partition(":loadbalancer/")[2], group)


@dataclass(frozen=True)
class Window:
    """What was answered in a span of time."""

    requests: int = 0
    failed: int = 0
    """Answers with 5xx, and requests that got none."""
    p50: float | None = None
    """Seconds; None without requests."""
    p95: float | None = None
    p99: float | None = None


def read_window(aws: AwsConfig, group: TargetGroupRef, start: float, end: float, period: int) -> Window:
    """
    Requests, errors and latency of a target group.

    Args:
        aws: Where AWS is.
        group: The target group.
        start: Seconds since the epoch, rounded down to a whole period.
        end: Seconds since the epoch, rounded down as well; what is newer is not complete.
        period: Seconds, the resolution of the metrics.

    Source: CloudWatch GetMetricData; ELB user guide, "CloudWatch metrics for your Application Load Balancer".
    """
    first, last = (math.floor(edge / period) * period for edge in (start, end))
    if last <= first:
        return Window()
    # One period over the whole window makes CloudWatch compute percentiles over all of its requests, not per minute.
    span = last - first
    whole = span if span in (1, 5, 10, 30) or span % 60 == 0 else period
    queries = [_query("requests", "RequestCount", "Sum", group, whole)]
    queries += [_query("failed", "HTTPCode_Target_5XX_Count", "Sum", group, whole)]
    queries += [_query(name, "TargetResponseTime", name, group, whole) for name in _PERCENTILES]
    answer: Any = client(aws, "cloudwatch").get_metric_data(
        MetricDataQueries=queries,
        StartTime=datetime.fromtimestamp(first, UTC),
        EndTime=datetime.fromtimestamp(last, UTC),
    )
    values = {result["Id"]: list(result["Values"]) for result in answer["MetricDataResults"]}
    percentiles = {name: statistics.median(values[name]) if values[name] else None for name in _PERCENTILES}
    return Window(requests=round(sum(values["requests"])), failed=round(sum(values["failed"])), **percentiles)


def count_requests(aws: AwsConfig, group: TargetGroupRef, start: float, end: float, period: int) -> int:
    """
    How many requests the load balancer sent to the group; the health checks are not among them.

    Source: CloudWatch GetMetricData, RequestCount.
    """
    answer: Any = client(aws, "cloudwatch").get_metric_data(
        MetricDataQueries=[_query("requests", "RequestCount", "Sum", group, period)],
        StartTime=datetime.fromtimestamp(math.floor(start / period) * period, UTC),
        EndTime=datetime.fromtimestamp(math.ceil(end / period) * period, UTC),
    )
    values: list[float] = [value for result in answer["MetricDataResults"] for value in result["Values"]]
    return round(sum(values))


def _query(name: str, metric: str, statistic: str, group: TargetGroupRef, period: int) -> Any:
    dimensions = [
        {"Name": "TargetGroup", "Value": group.target_group},
        {"Name": "LoadBalancer", "Value": group.load_balancer},
    ]
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {"Namespace": _NAMESPACE, "MetricName": metric, "Dimensions": dimensions},
            "Period": period,
            "Stat": statistic,
        },
    }
