"""The charts over time: responses by backend, weights, latencies."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

import plotly.graph_objects as go

from flows.record.outcome import Event
from flows.report.html.axis import TimeAxis, axis_time, event_time
from flows.report.html.palette import FAILED, NEUTRAL, Palette, see_through
from flows.report.html.series import TrafficSeries
from flows.report.timeline import WeightStep, weight_steps

__all__ = ["latency_chart", "plain", "traffic_chart", "weights_chart"]

_ABOVE: Final = 1.03
_LATENCY: Final = "%{y:.1f} ms"
_FAILURE_LINE: Final = {"color": FAILED, "width": 1.5, "dash": "dash"}
_DRAIN_LINE: Final = {"color": NEUTRAL, "width": 1.5, "dash": "solid"}


def traffic_chart(
    series: TrafficSeries, events: Sequence[Event], axis: TimeAxis, palette: Palette
) -> go.Figure:
    """
    Responses per second by backend, stacked; with marks for failed requests, weight changes, failed
    checks and gates, and the drain.
    """
    figure = _new_figure(axis, height=330)

    for backend, colour in palette.backends.items():
        if backend in series.backends:
            _draw_area(figure, series, backend, colour)

    if series.tally.failed:
        _mark_failures(figure, series)

    for event in events:
        _mark_event(figure, event, palette)

    figure.update_yaxes(title_text="responses per second", rangemode="tozero")
    return figure


def weights_chart(events: Sequence[Event], axis: TimeAxis, palette: Palette) -> go.Figure:
    """The percentage of its paths' requests that each service gets, over time."""
    figure = _new_figure(axis, height=240)

    for service, steps in weight_steps(events).items():
        line = _whole_axis(steps, axis)
        _draw_weights(figure, service, line, palette.services[service])

    figure.update_yaxes(range=[-4, 104], ticksuffix="%", dtick=25)
    return figure


def latency_chart(series: TrafficSeries, axis: TimeAxis, palette: Palette) -> go.Figure:
    """Median (line) and 95th percentile (dotted) of each backend's latency in milliseconds."""
    figure = _new_figure(axis, height=240)

    for backend, colour in palette.backends.items():
        if backend in series.backends:
            _draw_median(figure, series, backend, colour)
            _draw_p95(figure, series, backend, colour)

    figure.update_yaxes(ticksuffix=" ms", rangemode="tozero")
    return figure


def plain(text: str) -> str:
    """Text for a Plotly label, which would read tags in it as formatting."""
    return escape(text, quote=False).replace("\n", "<br>")


def _new_figure(axis: TimeAxis, height: int) -> go.Figure:
    """One label shows the values of all lines at a time."""
    layout = axis.layout(height=height, hovermode="x unified")
    return go.Figure(layout=layout)


def _draw_area(figure: go.Figure, series: TrafficSeries, backend: str, colour: str) -> None:
    """Its height is the backend's responses per second."""
    figure.add_scatter(
        x=[axis_time(bucket.middle) for bucket in series.buckets],
        y=[bucket.rate(backend) for bucket in series.buckets],
        name=plain(backend),
        stackgroup="responses",
        line={"width": 1, "color": colour},
        fillcolor=see_through(colour, 0.62),
        hovertemplate="%{y:.0f}/s",
    )


def _mark_failures(figure: go.Figure, series: TrafficSeries) -> None:
    """
    A cross above each bucket with failed requests: as an area, a few among hundreds would be
    invisible.
    """
    marked = [bucket for bucket in series.buckets if bucket.failed]

    figure.add_scatter(
        x=[axis_time(bucket.middle) for bucket in marked],
        y=[_ABOVE * bucket.total_rate() for bucket in marked],
        customdata=[bucket.failed for bucket in marked],
        name="failed requests",
        mode="markers",
        marker={"symbol": "x", "size": 10, "color": FAILED},
        hovertemplate="%{customdata} failed",
    )


def _mark_event(figure: go.Figure, event: Event, palette: Palette) -> None:
    """A vertical line for some kinds of events."""
    line = _event_line(event, palette)
    if line is None:
        return

    x = event_time(event)
    figure.add_shape(
        type="line",
        xref="x",
        yref="paper",
        x0=x,
        x1=x,
        y0=0,
        y1=1,
        line=line,
    )


def _event_line(event: Event, palette: Palette) -> dict[str, Any] | None:
    """Dotted for a weight change, dashed for a failed check or gate, solid for the drain."""
    if event.kind == "weight":
        colour = palette.services.get(event.service or "", NEUTRAL)
        return {"color": colour, "width": 1.2, "dash": "dot"}
    if event.verdict == "fail":
        return _FAILURE_LINE
    if event.kind == "drain":
        return _DRAIN_LINE
    return None


def _whole_axis(steps: Sequence[WeightStep], axis: TimeAxis) -> list[WeightStep]:
    """The steps, extended to both ends of the axis."""
    first = steps[0]
    last = steps[-1]
    extended = [*steps, WeightStep(axis.end, last.weight)]

    if first.at > axis.start:
        begin = WeightStep(axis.start, weight=0)
        extended.insert(0, begin)
    return extended


def _draw_weights(
    figure: go.Figure, service: str, steps: Sequence[WeightStep], colour: str
) -> None:
    figure.add_scatter(
        x=[axis_time(step.at) for step in steps],
        y=[step.weight for step in steps],
        name=plain(service),
        mode="lines",
        line={"shape": "hv", "width": 2.5, "color": colour},
        hovertemplate="%{y}%",
    )


def _draw_median(figure: go.Figure, series: TrafficSeries, backend: str, colour: str) -> None:
    """With the backend's name in the legend."""
    figure.add_scatter(
        x=[axis_time(bucket.middle) for bucket in series.buckets],
        y=[bucket.milliseconds(backend, 0.5) for bucket in series.buckets],
        name=plain(backend),
        legendgroup=backend,
        mode="lines",
        line={"width": 1.5, "color": colour},
        hovertemplate=_LATENCY,
    )


def _draw_p95(figure: go.Figure, series: TrafficSeries, backend: str, colour: str) -> None:
    """Without a legend of its own: it is shown and hidden with the median."""
    figure.add_scatter(
        x=[axis_time(bucket.middle) for bucket in series.buckets],
        y=[bucket.milliseconds(backend, 0.95) for bucket in series.buckets],
        name=f"{plain(backend)} p95",
        legendgroup=backend,
        showlegend=False,
        mode="lines",
        line={"width": 1.5, "dash": "dot", "color": colour},
        hovertemplate=_LATENCY,
    )
