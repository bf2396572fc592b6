"""
Signs of connections that stay open for long: WebSocket, long polling, downloads and the like.

ELBv2 has no metric of their length, and none of connections by target group. What it has is the
number of connections that are open and that are new, for the whole load balancer, and the time to a
response's first byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.cloudwatch.metrics import TargetGroupRef

__all__ = ["ConnectionFigures", "long_connection_signs", "read_connection_figures"]

_NAMESPACE: Final = "AWS/ApplicationELB"
_SPAN: Final = timedelta(hours=3)
_PERIOD: Final = 60
"""Seconds; CloudWatch has a load balancer's metrics by the minute, and each is a count of one."""
_FEWEST: Final = 100
"""New connections below which their number says nothing."""
_USUAL_IDLE_TIMEOUT: Final = 60
"""Seconds; ELBv2's default."""
_LONG_RESPONSE: Final = 30.0


@dataclass(frozen=True)
class ConnectionFigures:
    """What AWS has of a load balancer's connections in the last hours."""

    opened: float = 0.0
    """New connections."""
    open_seconds: float = 0.0
    """Open connections, times the seconds for which they were counted."""
    slowest_response: float = 0.0
    """Seconds until the first byte of the monolith's slowest response."""
    idle_timeout: int = _USUAL_IDLE_TIMEOUT
    """Seconds for which the load balancer keeps a connection without traffic."""

    @property
    def average_length(self) -> float:
        """Seconds that a connection lasts, by Little's law; 0 where too few were opened."""
        if self.opened < _FEWEST:
            return 0.0
        return self.open_seconds / self.opened


def long_connection_signs(figures: ConnectionFigures, quiet: float) -> list[str]:
    """
    What suggests that connections stay open for long.

    Args:
        figures: What AWS has.
        quiet: Seconds after which a drain cuts those that are still open.
    """
    signs = []
    if figures.average_length > quiet:
        signs.append(
            f"connections to the load balancer last {figures.average_length:.0f} s on average "
            "(ActiveConnectionCount, NewConnectionCount)"
        )
    if figures.slowest_response > _LONG_RESPONSE:
        signs.append(
            f"a response began only after {figures.slowest_response:.0f} s (TargetResponseTime)"
        )
    if figures.idle_timeout > _USUAL_IDLE_TIMEOUT:
        signs.append(
            f"the load balancer keeps silent connections for {figures.idle_timeout} s "
            "(idle_timeout)"
        )
    return signs


def read_connection_figures(
    aws: AwsConfig, load_balancer_arn: str, target_group_arn: str
) -> ConnectionFigures:
    """
    Read what AWS has of a load balancer's connections.

    Args:
        aws: Where AWS is.
        load_balancer_arn: The load balancer.
        target_group_arn: The monolith's target group.

    Source: CloudWatch GetMetricData; ELBv2 DescribeLoadBalancerAttributes.
    """
    group = TargetGroupRef.of(load_balancer_arn, target_group_arn)
    balancer = group.balancer_dimensions
    values = _read(
        aws,
        [
            _query("opened", "NewConnectionCount", "Sum", balancer),
            _query("open", "ActiveConnectionCount", "Sum", balancer),
            _query("slowest", "TargetResponseTime", "Maximum", group.dimensions),
        ],
    )
    return ConnectionFigures(
        opened=sum(values["opened"]),
        open_seconds=sum(values["open"]) * _PERIOD,
        slowest_response=max(values["slowest"], default=0.0),
        idle_timeout=_read_idle_timeout(aws, load_balancer_arn),
    )


def _query(name: str, metric: str, statistic: str, dimensions: Sequence[Any]) -> Any:
    """A query as CloudWatch takes it."""
    described = {
        "Namespace": _NAMESPACE,
        "MetricName": metric,
        "Dimensions": list(dimensions),
    }
    stat = {"Metric": described, "Period": _PERIOD, "Stat": statistic}
    return {"Id": name, "MetricStat": stat}


def _read(aws: AwsConfig, queries: Sequence[Any]) -> dict[str, list[float]]:
    """The values of each query by the minute."""
    now = datetime.now(UTC)
    pages = client(aws, "cloudwatch").get_paginator("get_metric_data")
    found = pages.paginate(
        MetricDataQueries=list(queries), StartTime=now - _SPAN, EndTime=now
    ).build_full_result()
    values: dict[str, list[float]] = {query["Id"]: [] for query in queries}
    for result in found["MetricDataResults"]:
        values[result["Id"]] += result["Values"]
    return values


def _read_idle_timeout(aws: AwsConfig, load_balancer_arn: str) -> int:
    """Seconds for which a load balancer keeps a silent connection."""
    found = client(aws, "elbv2").describe_load_balancer_attributes(
        LoadBalancerArn=load_balancer_arn
    )
    for attribute in found["Attributes"]:
        if attribute["Key"] == "idle_timeout.timeout_seconds":
            return int(attribute["Value"])
    return _USUAL_IDLE_TIMEOUT
