"""
CloudWatch's answers for namespace AWS/ApplicationELB; every other namespace stays moto's.

moto's own metrics cannot serve: it knows no percentiles, and looks through every value ever put for
each query.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Final

from moto.cloudwatch.exceptions import InvalidParameterValue
from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from sandbox.api.internal import ACCOUNT, REGION
from sandbox.api.patch import patch
from sandbox.cloudwatch.metrics import Metrics, Source
from sandbox.cloudwatch.statistic import UnknownStatistic, check_statistic, statistic

__all__ = ["Datapoint", "datapoints", "serve_metrics"]

_NAMESPACE: Final = "AWS/ApplicationELB"

Datapoint = tuple[datetime, list[float]]
"""When a period begins, and the values in it."""


def serve_metrics(metrics: Metrics, patches: ExitStack) -> None:
    """
    Answer GetMetricData, GetMetricStatistics and ListMetrics from `metrics` until `patches` is
    closed.
    """
    backend = cloudwatch_backends[ACCOUNT][REGION]
    _patch_metric_data(backend, metrics, patches)
    _patch_metric_statistics(metrics, patches)
    _patch_list_metrics(backend, metrics, patches)


def datapoints(
    metrics: Metrics,
    metric: str,
    dimensions: Sequence[dict[str, str]],
    start: datetime,
    end: datetime,
    period: int,
) -> list[Datapoint]:
    """
    The periods that have values, the earliest first.

    The start is rounded down as CloudWatch does: to the minute, or to the period when that is
    shorter.

    Source: CloudWatch GetMetricStatistics, parameter StartTime.
    """
    rounding = min(period, 60)
    first = int(_utc(start).timestamp()) // rounding * rounding
    named = {item["Name"]: item["Value"] for item in dimensions}
    periods: dict[int, list[float]] = {}
    for second, values in metrics.read(metric, named, first, int(_utc(end).timestamp())):
        begin = first + (second - first) // period * period
        periods.setdefault(begin, []).extend(values)
    return [(datetime.fromtimestamp(begin, UTC), values) for begin, values in periods.items()]


def _patch_metric_data(backend: Any, metrics: Metrics, patches: ExitStack) -> None:
    of_moto = backend.get_metric_data

    def get_metric_data(
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampDescending",
    ) -> list[dict[str, Any]]:
        others = [query for query in queries if not _is_ours(query)]
        answers = {
            answer["id"]: answer for answer in of_moto(others, start_time, end_time, scan_by)
        }
        for query in filter(_is_ours, queries):
            answers[query["Id"]] = _answer_query(metrics, query, start_time, end_time, scan_by)
        shown = [query["Id"] for query in queries if query.get("ReturnData", True)]
        return [answers[name] for name in shown if name in answers]

    patch(patches, backend, "get_metric_data", get_metric_data)


def _is_ours(query: dict[str, Any]) -> bool:
    return bool((query.get("MetricStat") or {}).get("Metric", {}).get("Namespace") == _NAMESPACE)


def _answer_query(
    metrics: Metrics, query: dict[str, Any], start: datetime, end: datetime, scan_by: str
) -> dict[str, Any]:
    asked = query["MetricStat"]
    metric, name = asked["Metric"], asked["Stat"]
    _check(name)
    points = datapoints(
        metrics,
        metric["MetricName"],
        metric.get("Dimensions") or (),
        start,
        end,
        int(asked["Period"]),
    )
    if scan_by == "TimestampDescending":
        points.reverse()
    return {
        "id": query["Id"],
        "label": query.get("Label") or metric["MetricName"],
        "timestamps": [begin for begin, _ in points],
        "values": [statistic(name, values) for _, values in points],
        "status_code": "Complete",
    }


def _patch_metric_statistics(metrics: Metrics, patches: ExitStack) -> None:
    of_moto = CloudWatchResponse.get_metric_statistics

    def get_metric_statistics(self: Any) -> Any:
        if self._get_param("Namespace") != _NAMESPACE:
            return of_moto(self)
        metric = self._get_param("MetricName")
        plain = self._get_param("Statistics", []) or []
        extended = self._get_param("ExtendedStatistics", []) or []
        _check(*plain, *extended)
        points = datapoints(
            metrics,
            metric,
            self._get_param("Dimensions", []) or [],
            self._get_param("StartTime"),
            self._get_param("EndTime"),
            self._get_int_param("Period"),
        )
        shown = [_datapoint(metric, begin, values, plain, extended) for begin, values in points]
        return ActionResult({"Label": metric, "Datapoints": shown})

    patch(patches, CloudWatchResponse, "get_metric_statistics", get_metric_statistics)


def _datapoint(
    metric: str, begin: datetime, values: list[float], plain: Sequence[str], extended: Sequence[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {name: statistic(name, values) for name in plain}
    if extended:
        found["ExtendedStatistics"] = {name: statistic(name, values) for name in extended}
    return {"Timestamp": begin, "Unit": "Seconds" if metric.endswith("Time") else "Count", **found}


def _patch_list_metrics(backend: Any, metrics: Metrics, patches: ExitStack) -> None:
    of_moto = backend.get_filtered_metrics

    def get_filtered_metrics(
        metric_name: str, namespace: str, dimensions: list[dict[str, str]]
    ) -> list[Any]:
        ours = [_listed(name, source) for name, source in sorted(metrics.series())]
        wanted = [datum for datum in ours if datum.filter(namespace, metric_name, dimensions or [])]
        return [*of_moto(metric_name, namespace, dimensions), *wanted]

    patch(patches, backend, "get_filtered_metrics", get_filtered_metrics)


def _listed(metric: str, source: Source) -> Any:
    return MetricDatum(_NAMESPACE, metric, 0.0, list(_dimensions(source)), None)


def _dimensions(source: Source) -> Iterator[dict[str, str]]:
    load_balancer, group = source
    if group:
        yield {"Name": "TargetGroup", "Value": group}
    yield {"Name": "LoadBalancer", "Value": load_balancer}


def _check(*names: str) -> None:
    try:
        for name in names:
            check_statistic(name)
    except UnknownStatistic as unknown:
        raise InvalidParameterValue(str(unknown)) from None


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
