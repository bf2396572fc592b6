"""
CloudWatch's answers for namespace AWS/ApplicationELB; every other namespace is left to moto.

moto's own metrics have no percentiles, and each query scans every value that was ever put.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from moto.cloudwatch.exceptions import InvalidParameterValue
from moto.cloudwatch.models import CloudWatchBackend, MetricDatum
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from sandbox.api.moto_patches import MotoPatches
from sandbox.cloudwatch.metrics import Metrics, Source
from sandbox.cloudwatch.statistic import UnknownStatistic, check_statistic, statistic

__all__ = ["patch_moto"]

_NAMESPACE: Final = "AWS/ApplicationELB"

Moto = Callable[..., Any]
Query = dict[str, Any]
Datapoint = tuple[datetime, list[float]]
"""When a period begins, and the values in it."""


def patch_moto(patches: MotoPatches, metrics: Metrics) -> None:
    """Answer GetMetricData, GetMetricStatistics and ListMetrics from `metrics`."""
    patches.replace(CloudWatchBackend, "get_metric_data", partial(_get_metric_data, metrics))
    patches.replace(
        CloudWatchResponse, "get_metric_statistics", partial(_get_metric_statistics, metrics)
    )
    patches.replace(CloudWatchBackend, "get_filtered_metrics", partial(_list_metrics, metrics))


def _get_metric_data(
    metrics: Metrics,
    moto: Moto,
    backend: Any,
    queries: list[Query],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampDescending",
) -> list[dict[str, Any]]:
    others = [query for query in queries if not _is_load_balancers(query)]
    answers = {
        answer["id"]: answer for answer in moto(backend, others, start_time, end_time, scan_by)
    }
    for query in filter(_is_load_balancers, queries):
        points = _query_points(metrics, query, start_time, end_time)
        if scan_by == "TimestampDescending":
            points.reverse()
        answers[query["Id"]] = _answer_query(query, points)
    shown = [query["Id"] for query in queries if query.get("ReturnData", True)]
    return [answers[name] for name in shown if name in answers]


def _is_load_balancers(query: Query) -> bool:
    metric = (query.get("MetricStat") or {}).get("Metric", {})
    return bool(metric.get("Namespace") == _NAMESPACE)


def _query_points(
    metrics: Metrics, query: Query, start: datetime, end: datetime
) -> list[Datapoint]:
    metric, period = query["MetricStat"]["Metric"], int(query["MetricStat"]["Period"])
    dimensions = metric.get("Dimensions") or ()
    return _datapoints(metrics, metric["MetricName"], dimensions, (start, end), period)


def _answer_query(query: Query, points: list[Datapoint]) -> dict[str, Any]:
    name = query["MetricStat"]["Stat"]
    _check(name)
    return {
        "id": query["Id"],
        "label": query.get("Label") or query["MetricStat"]["Metric"]["MetricName"],
        "timestamps": [begin for begin, _ in points],
        "values": [statistic(name, values) for _, values in points],
        "status_code": "Complete",
    }


def _get_metric_statistics(metrics: Metrics, moto: Moto, response: Any) -> Any:
    if response._get_param("Namespace") != _NAMESPACE:  # noqa: SLF001
        return moto(response)
    get = response._get_param  # noqa: SLF001
    metric = get("MetricName")
    plain = get("Statistics", []) or []
    extended = get("ExtendedStatistics", []) or []
    _check(*plain, *extended)
    points = _datapoints(
        metrics,
        metric,
        get("Dimensions", []) or [],
        (get("StartTime"), get("EndTime")),
        int(get("Period")),
    )
    shown = [_describe(metric, point, plain, extended) for point in points]
    return ActionResult({"Label": metric, "Datapoints": shown})


def _describe(
    metric: str, point: Datapoint, plain: Sequence[str], extended: Sequence[str]
) -> dict[str, Any]:
    begin, values = point
    described: dict[str, Any] = {
        "Timestamp": begin,
        "Unit": "Seconds" if metric.endswith("Time") else "Count",
    }
    for name in plain:
        described[name] = statistic(name, values)
    if extended:
        described["ExtendedStatistics"] = {name: statistic(name, values) for name in extended}
    return described


def _datapoints(
    metrics: Metrics,
    metric: str,
    dimensions: Sequence[dict[str, str]],
    times: tuple[datetime, datetime],
    period: int,
) -> list[Datapoint]:
    """
    The periods that have values, the earliest first.

    The start is rounded down as CloudWatch does: to the minute, or to the period when that is
    shorter.

    Source: CloudWatch GetMetricStatistics, parameter StartTime.
    """
    rounding = min(period, 60)
    first = _epoch(times[0]) // rounding * rounding
    named = {item["Name"]: item["Value"] for item in dimensions}
    periods: dict[int, list[float]] = {}
    for second, values in metrics.read(metric, named, first, _epoch(times[1])):
        begin = first + (second - first) // period * period
        periods.setdefault(begin, []).extend(values)
    return [(datetime.fromtimestamp(begin, UTC), values) for begin, values in periods.items()]


def _epoch(moment: datetime) -> int:
    """Moto's times are in UTC, with or without a zone."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp())


def _list_metrics(
    metrics: Metrics,
    moto: Moto,
    backend: Any,
    metric_name: str,
    namespace: str,
    dimensions: list[dict[str, str]],
) -> list[Any]:
    listed = [_list_one(name, source) for name, source in sorted(metrics.series())]
    matching = [one for one in listed if one.filter(namespace, metric_name, dimensions or [])]
    return [*moto(backend, metric_name, namespace, dimensions), *matching]


def _list_one(metric: str, source: Source) -> Any:
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
