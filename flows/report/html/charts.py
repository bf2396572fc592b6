"""The charts over time: who answered, how weights moved, how fast the answers were."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, NamedTuple

import plotly.graph_objects as go

from flows.record.outcome import Event
from flows.report.html.palette import FAILED, NEUTRAL, see_through
from flows.report.html.series import TrafficSeries
from flows.report.tables import weight_steps

__all__ = [
    "Span",
    "axis_time",
    "base_layout",
    "latency_chart",
    "plain",
    "traffic_chart",
    "weights_chart",
]


class Span(NamedTuple):
    """The time axis that all charts share."""

    start: float
    """Seconds since the epoch."""
    end: float
    """Likewise."""
    left: int = 84
    """Pixels for the names to the left of it."""

    def share(self, time: float) -> float:
        """Where on the axis a moment is, from 0 to 1."""
        return (time - self.start) / (self.end - self.start)


def traffic_chart(
    series: TrafficSeries,
    events: Sequence[Event],
    span: Span,
    colours: Mapping[str, str],
    order: Sequence[str],
) -> go.Figure:
    """
    Answers per second by who gave them, stacked; marked with weight changes, failed gates, drain
    and failures.
    """
    times = _middles(series)
    figure = go.Figure(layout=base_layout(span, height=330, hovermode="x unified"))
    for backend in order:
        if backend in series.rates:
            figure.add_scatter(
                x=times,
                y=series.rates[backend],
                name=plain(backend),
                stackgroup="answers",
                line={"width": 1, "color": colours[backend]},
                fillcolor=see_through(colours[backend], 0.62),
                hovertemplate="%{y:.0f}/s",
            )
    if any(series.failed):
        _mark_failures(figure, series, times)
    _mark_moments(figure, events, colours)
    figure.update_yaxes(title_text="answers per second", rangemode="tozero")
    return figure


def weights_chart(events: Sequence[Event], span: Span, colours: Mapping[str, str]) -> go.Figure:
    """The percentage of its paths' requests that each service gets, over time."""
    figure = go.Figure(layout=base_layout(span, height=240, hovermode="x unified"))
    for service, steps in weight_steps(events).items():
        before = [(span.start, 0)] if steps[0][0] > span.start else []
        line = [*before, *steps, (span.end, steps[-1][1])]
        figure.add_scatter(
            x=[axis_time(time) for time, _ in line],
            y=[weight for _, weight in line],
            name=plain(service),
            mode="lines",
            line={"shape": "hv", "width": 2.5, "color": colours[service]},
            hovertemplate="%{y} %",
        )
    figure.update_yaxes(range=[-4, 104], ticksuffix=" %", dtick=25)
    return figure


def latency_chart(
    series: TrafficSeries, span: Span, colours: Mapping[str, str], order: Sequence[str]
) -> go.Figure:
    """Median (line) and 95th percentile (dotted) of each backend's latency in milliseconds."""
    figure = go.Figure(layout=base_layout(span, height=240, hovermode="x unified"))
    times = _middles(series)
    for backend in order:
        for name, values, dash in (("p50", series.p50, "solid"), ("p95", series.p95, "dot")):
            if backend in values:
                figure.add_scatter(
                    x=times,
                    y=[None if value is None else value * 1000 for value in values[backend]],
                    name=plain(backend) if name == "p50" else f"{plain(backend)} {name}",
                    legendgroup=backend,
                    showlegend=name == "p50",
                    mode="lines",
                    line={"width": 1.5, "dash": dash, "color": colours[backend]},
                    hovertemplate="%{y:.1f} ms",
                )
    figure.update_yaxes(ticksuffix=" ms", rangemode="tozero")
    return figure


def base_layout(span: Span, *, height: int, hovermode: str) -> dict[str, Any]:
    """
    What the charts have in common; the page adds the colours of text and grid, which follow its
    theme.
    """
    return {
        "height": height,
        "hovermode": hovermode,
        "margin": {"l": span.left, "r": 16, "t": 34, "b": 30},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "bgcolor": "rgba(0,0,0,0)",
        },
        "xaxis": {
            "range": [axis_time(span.start), axis_time(span.end)],
            "type": "date",
            "tickformat": "%H:%M:%S",
            "hoverformat": "%H:%M:%S",
            "fixedrange": False,
            "zeroline": False,
        },
        "yaxis": {"fixedrange": True, "zeroline": False},
        "template": "none",
    }


def axis_time(seconds: float) -> str:
    """
    Local time as Plotly's date axis wants it, so that the charts agree with the tables.

    Args:
        seconds: Since the epoch.
    """
    return (
        datetime.fromtimestamp(seconds, UTC)
        .astimezone()
        .replace(tzinfo=None)
        .isoformat(timespec="milliseconds")
    )


def plain(text: str) -> str:
    """Text for a Plotly label, which would take tags in it for formatting."""
    return escape(text, quote=False).replace("\n", "<br>")


def _mark_moments(figure: go.Figure, events: Sequence[Event], colours: Mapping[str, str]) -> None:
    """
    Draw a vertical line at each weight change (dotted), failed gate or check (dashed) and drain
    step.
    """
    for event in events:
        if event.kind == "weight":
            line = {
                "color": colours.get(event.service or "", NEUTRAL),
                "width": 1.2,
                "dash": "dot",
            }
        elif event.verdict == "fail":
            line = {"color": FAILED, "width": 1.5, "dash": "dash"}
        elif event.kind == "drain":
            line = {"color": NEUTRAL, "width": 1.5}
        else:
            continue
        x = axis_time(event.time)
        figure.add_shape(type="line", xref="x", yref="paper", x0=x, x1=x, y0=0, y1=1, line=line)


def _middles(series: TrafficSeries) -> list[str]:
    """A bucket's value stands for all of it."""
    return [axis_time(begin + series.bucket / 2) for begin in series.times]


def _mark_failures(figure: go.Figure, series: TrafficSeries, times: Sequence[str]) -> None:
    """
    A cross above each bucket with failed requests: a few of them among hundreds would not be seen
    in an area.
    """
    found = [number for number, count in enumerate(series.failed) if count]
    totals = [sum(rates[number] for rates in series.rates.values()) for number in found]
    figure.add_scatter(
        x=[times[number] for number in found],
        y=[total * 1.03 for total in totals],
        customdata=[series.failed[number] for number in found],
        name="failed requests",
        mode="markers",
        marker={"symbol": "x", "size": 10, "color": FAILED},
        hovertemplate="%{customdata} failed",
    )
