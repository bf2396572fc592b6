"""The charts of a run, as Plotly's JavaScript takes them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from flows.record.outcome import Event, Outcome
from flows.report.html.axis import TimeAxis
from flows.report.html.charts import latency_chart, traffic_chart, weights_chart
from flows.report.html.lanes import lanes_chart
from flows.report.html.palette import Palette
from flows.report.html.series import TrafficSeries

__all__ = ["draw_figures"]


def draw_figures(
    outcome: Outcome,
    events: Sequence[Event],
    series: TrafficSeries,
    axis: TimeAxis,
    palette: Palette,
) -> dict[str, Any]:
    """
    Draw the charts that the run has data for.

    Args:
        outcome: The run's result.
        events: Its events, oldest first.
        series: The live client's requests.
        axis: Of the run.
        palette: With a colour for each service and each other backend.

    Returns:
        Data and layout of each chart, by its name.
    """
    charts = [
        *_traffic_charts(events, series, axis, palette),
        *_event_charts(outcome, events, axis, palette),
    ]
    return {name: json.loads(figure.to_json()) for name, figure in charts}


_Chart = tuple[str, go.Figure]


def _traffic_charts(
    events: Sequence[Event],
    series: TrafficSeries,
    axis: TimeAxis,
    palette: Palette,
) -> Iterator[_Chart]:
    if series.buckets:
        yield "traffic", traffic_chart(series, events, axis, palette)
        yield "latency", latency_chart(series, axis, palette)


def _event_charts(
    outcome: Outcome,
    events: Sequence[Event],
    axis: TimeAxis,
    palette: Palette,
) -> Iterator[_Chart]:
    monolith = outcome.monolith.service if outcome.monolith else None
    if events:
        yield "lanes", lanes_chart(events, axis, palette, monolith)

    if any(event.kind == "weight" for event in events):
        yield "weights", weights_chart(events, axis, palette)
