"""
One lane per service on the time axis: its stages, and above and below them
weights and verdicts.
"""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from flows.record.outcome import Event
from flows.report.html.charts import Span, axis_time, base_layout, plain
from flows.report.html.labels import Label, place_labels
from flows.report.html.palette import NEUTRAL, VERDICTS, see_through
from flows.report.tables import FINAL_STAGES, duration, stage_durations

__all__ = ["lanes_chart"]

_LANE_HEIGHT = 74
_BAR = 0.16
_WEIGHTS, _VERDICTS = 0.30, -0.31
_MONOLITH_LEVELS = (0.26, -0.02, -0.30)
# A character's share of the axis, on a chart of about 900 pixels.
_CHARACTER = 7.0 / 900
_LONGEST_LABEL = 44


def lanes_chart(
    events: Sequence[Event],
    span: Span,
    colours: Mapping[str, str],
    services: Sequence[str],
    monolith: str,
) -> go.Figure:
    """
    What happened to each service, and in the lowest lane to the monolith.

    Args:
        events: The run's events, oldest first.
        span: Of the time axis.
        colours: By service.
        services: In the order of their lanes.
        monolith: Its ECS service, whose name the texts in its lane need not repeat.
    """
    lanes = [*services, "monolith"]
    layout = base_layout(span, height=40 + _LANE_HEIGHT * len(lanes), hovermode="closest")
    figure = go.Figure(layout=layout | {"margin": layout["margin"] | {"t": 6}, "showlegend": False})
    for place, service in enumerate(services):
        height = len(lanes) - 1 - place
        own = [event for event in events if event.service == service]
        _draw_stages(figure, own, height, colours[service], span)
        _draw_weights(figure, own, height, colours[service], span)
        _draw_verdicts(figure, own, height)
    _draw_monolith(figure, [event for event in events if event.kind == "drain"], monolith, span)
    names = [plain(name) for name in reversed(lanes)]
    figure.update_yaxes(
        tickvals=list(range(len(lanes))),
        ticktext=names,
        range=[-0.5, len(lanes) - 0.5],
        showgrid=False,
    )
    return figure


def _draw_stages(
    figure: go.Figure, events: Sequence[Event], height: int, colour: str, span: Span
) -> None:
    for stage in (
        stage for stages in stage_durations(events, span.end).values() for stage in stages
    ):
        if stage.stage in FINAL_STAGES:
            continue
        x0, x1 = axis_time(stage.started), axis_time(stage.started + stage.seconds)
        fill = see_through(colour, 0.5) if stage.stage == "shifting" else see_through(NEUTRAL, 0.22)
        figure.add_shape(
            type="rect",
            x0=x0,
            x1=x1,
            y0=height - _BAR,
            y1=height + _BAR,
            fillcolor=fill,
            line={"width": 0},
            layer="between",
        )
        fits = len(stage.stage) * _CHARACTER <= stage.seconds / (span.end - span.start)
        figure.add_scatter(
            x=[axis_time(stage.started + stage.seconds / 2)],
            y=[height],
            mode="text" if fits else "markers",
            text=[plain(stage.stage)],
            textfont={"size": 11},
            marker={"opacity": 0, "size": 14},
            hovertemplate=f"{plain(stage.stage)}: {duration(stage.seconds)}<extra></extra>",
        )


def _draw_weights(
    figure: go.Figure, events: Sequence[Event], height: int, colour: str, span: Span
) -> None:
    changes = [event for event in events if event.kind == "weight"]
    texts = [f" {event.weight} %" for event in changes]
    for event in changes:
        x = axis_time(event.time)
        line = {"color": colour, "width": 1.2, "dash": "dot"}
        figure.add_shape(type="line", x0=x, x1=x, y0=height + _BAR, y1=height + _WEIGHTS, line=line)
    levels = _weight_levels(changes, texts, span)
    figure.add_scatter(
        x=[axis_time(event.time) for event in changes],
        y=[height + _WEIGHTS] * len(changes),
        mode="markers+text",
        marker={"symbol": "diamond", "size": 9, "color": colour},
        text=["" if level is None else text for text, level in zip(texts, levels, strict=True)],
        textposition=[_side(event, span) for event in changes],
        textfont={"size": 12},
        customdata=[plain(event.text) for event in changes],
        hovertemplate="%{x|%H:%M:%S}  %{customdata}<extra></extra>",
    )


def _weight_levels(changes: Sequence[Event], texts: Sequence[str], span: Span) -> list[int | None]:
    """A return to the monolith gets its label before the steps that led there."""
    order = sorted(range(len(changes)), key=lambda number: bool(changes[number].weight))
    rooms = _rooms(changes, texts, span)
    levels = place_labels([rooms[number] for number in order], levels=1)
    return [levels[order.index(number)] for number in range(len(changes))]


def _draw_verdicts(figure: go.Figure, events: Sequence[Event], height: int) -> None:
    # Of marks at one moment the worst lies on top.
    order = list(VERDICTS)
    judged = sorted(
        (event for event in events if event.verdict),
        key=lambda one: order.index(str(one.verdict)),
    )
    shown = [VERDICTS[str(event.verdict)] for event in judged]
    figure.add_scatter(
        x=[axis_time(event.time) for event in judged],
        y=[height + _VERDICTS] * len(judged),
        mode="markers",
        marker={
            "symbol": [shape for _, shape in shown],
            "color": [colour for colour, _ in shown],
            "size": [8 if event.verdict == "pass" else 12 for event in judged],
        },
        customdata=[f"{event.verdict}: {plain(event.text)}" for event in judged],
        hovertemplate="%{x|%H:%M:%S}  %{customdata}<extra></extra>",
    )


def _draw_monolith(figure: go.Figure, drains: Sequence[Event], monolith: str, span: Span) -> None:
    texts = [_short(event.text, monolith) for event in drains]
    levels = place_labels(_rooms(drains, texts, span), levels=len(_MONOLITH_LEVELS))
    figure.add_scatter(
        x=[axis_time(event.time) for event in drains],
        y=[_MONOLITH_LEVELS[level or 0] for level in levels],
        mode="markers+text",
        marker={"symbol": "square", "size": 8, "color": NEUTRAL},
        text=[
            "" if level is None else f" {plain(text)} "
            for text, level in zip(texts, levels, strict=True)
        ],
        textposition=[_side(event, span) for event in drains],
        textfont={"size": 12},
        customdata=[plain(event.text) for event in drains],
        hovertemplate="%{x|%H:%M:%S}  %{customdata}<extra></extra>",
    )


def _rooms(events: Sequence[Event], texts: Sequence[str], span: Span) -> list[Label]:
    """The room of each marker with its label beside it."""
    rooms = []
    for event, text in zip(events, texts, strict=True):
        width = (len(text) + 1) * _CHARACTER
        place = span.share(event.time)
        rooms.append(Label(place if _side(event, span) == "middle right" else place - width, width))
    return rooms


def _side(event: Event, span: Span) -> str:
    """A label stands to the right of its marker, unless the chart ends there."""
    return "middle right" if span.share(event.time) < 0.62 else "middle left"


def _short(text: str, monolith: str) -> str:
    """The lane says already that it is about the monolith."""
    text = text.partition("\n")[0].removeprefix(f"{monolith}: ").removeprefix(f"{monolith} ")
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"
