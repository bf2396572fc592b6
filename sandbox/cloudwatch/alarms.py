"""CloudWatch alarms: their state follows their metric, evaluated whenever alarms are described."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from moto.cloudwatch.models import CloudWatchBackend

from sandbox.api.moto_patches import MotoPatches
from sandbox.cloudwatch.alarm_state import COMPARISONS, SPARE_PERIODS, judge

__all__ = ["patch_moto"]

_DESCRIBING: Final = (
    "describe_alarms",
    "get_alarms_by_action_prefix",
    "get_alarms_by_alarm_name_prefix",
    "get_alarms_by_alarm_names",
    "get_alarms_by_state_value",
)
_CUMULATIVE: Final = ("Sum", "SampleCount")
_STATE: Final = (
    "state_value",
    "state_reason",
    "state_reason_data",
    "state_updated_timestamp",
    "set_until",
    "history",
)

Moto = Callable[..., Any]


def patch_moto(patches: MotoPatches) -> None:
    """Evaluate alarms, in the backend because all of CloudWatch's wire protocols end there."""
    for name in _DESCRIBING:
        patches.replace(CloudWatchBackend, name, _describe_evaluated)
    patches.replace(CloudWatchBackend, "put_metric_alarm", _put_metric_alarm)
    patches.replace(CloudWatchBackend, "set_alarm_state", _set_alarm_state)


def _put_metric_alarm(moto: Moto, backend: Any, name: str, **settings: Any) -> Any:
    """A new alarm has no data (moto: OK); one that is put again keeps its state (moto: reset)."""
    before = backend.alarms.get(name)
    alarm = moto(backend, name, **settings)
    alarm.state_value = "INSUFFICIENT_DATA"
    alarm.set_until = 0.0
    if before is not None:
        for part in _STATE:
            setattr(alarm, part, getattr(before, part))
    return alarm


def _set_alarm_state(moto: Moto, backend: Any, alarm_name: str, *args: Any) -> None:
    """
    A state that was set lasts until the next evaluation: in a minute, or in 10 seconds for a
    high-resolution alarm.

    Source: SetAlarmState, "the alarm returns to its actual state quickly, often within seconds".
    """
    moto(backend, alarm_name, *args)
    alarm = backend.alarms[alarm_name]
    alarm.set_until = time.monotonic() + (10 if (alarm.period or 60) < 60 else 60)


def _describe_evaluated(moto: Moto, backend: Any, *args: Any) -> Any:
    for alarm in list(backend.alarms.values()):
        has_metric = alarm.metric_name and alarm.comparison_operator in COMPARISONS
        if has_metric and time.monotonic() >= alarm.set_until:
            _evaluate(backend, alarm)
    return moto(backend, *args)


def _evaluate(backend: Any, alarm: Any) -> None:
    values = _read_values(backend, alarm)
    breaches = COMPARISONS[alarm.comparison_operator]
    periods = int(alarm.evaluation_periods)
    datapoints = int(alarm.datapoints_to_alarm or periods)
    points = [
        None if value is None else breaches(value, float(alarm.threshold)) for value in values
    ]
    state = judge(points, periods, datapoints, alarm.treat_missing_data or "missing")
    if state is not None and state != alarm.state_value:
        alarm.update_state(_reason(alarm, state, values), "{}", state)


def _read_values(backend: Any, alarm: Any) -> list[float | None]:
    """The statistic of each period of the evaluation range, newest first."""
    count = int(alarm.evaluation_periods) + SPARE_PERIODS
    statistic = alarm.extended_statistic or alarm.statistic
    values = list(_read_periods(backend, alarm, count, statistic))
    # The newest period is not over: it does not count as missing, and a low sum may still grow.
    growing = alarm.comparison_operator.startswith("Less") and statistic in _CUMULATIVE
    return values[1:] if values[0] is None or growing else values[:count]


def _read_periods(backend: Any, alarm: Any, count: int, statistic: str) -> Iterator[float | None]:
    """The statistic of the present period and of as many before it, newest first."""
    period = timedelta(seconds=int(alarm.period))
    present = time.time() // int(alarm.period) * int(alarm.period)
    # moto keeps times without a zone, in UTC.
    newest = datetime.fromtimestamp(present, UTC).replace(tzinfo=None)
    (found,) = backend.get_metric_data(
        [{"Id": "alarm", "MetricStat": _metric_stat(alarm, int(alarm.period), statistic)}],
        start_time=newest - count * period,
        end_time=newest + period,
    )
    times = [moment.replace(tzinfo=None) for moment in found["timestamps"]]
    values = dict(zip(times, found["values"], strict=True))
    for age in range(count + 1):
        yield values.get(newest - age * period)


def _metric_stat(alarm: Any, period: int, statistic: str) -> dict[str, Any]:
    dimensions = [{"Name": one.name, "Value": one.value} for one in alarm.dimensions]
    metric = {
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric_name,
        "Dimensions": dimensions,
    }
    stat = {"Metric": metric, "Period": period, "Stat": statistic}
    if alarm.unit:
        stat["Unit"] = alarm.unit
    return stat


def _reason(alarm: Any, state: str, values: list[float | None]) -> str:
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {alarm.evaluation_periods} datapoint(s) were unknown."
    known = [value for value in values if value is not None][: int(alarm.evaluation_periods)]
    verb = "crossed" if state == "ALARM" else "were not past"
    return (
        f"Threshold Crossed: the last datapoints {known} {verb} the threshold ({alarm.threshold})."
    )
