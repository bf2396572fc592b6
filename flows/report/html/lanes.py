"""
One lane per service on the time axis: a bar with its stages, its weights above and its verdicts
below; the lowest lane is the monolith's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import plotly.graph_objects as go

from flows.record.outcome import Event
from flows.report.formats import duration
from flows.report.html.axis import TimeAxis, axis_time, event_time
from flows.report.html.charts import plain
from flows.report.html.labels import Label, place_labels
from flows.report.html.palette import NEUTRAL, VERDICTS, Mark, Palette, see_through
from flows.report.timeline import FINAL_STAGES, StageTime, stage_durations

__all__ = ["lanes_chart"]

_LANE_HEIGHT: Final = 74
_BAR: Final = 0.16
_WEIGHTS: Final = 0.30
_VERDICTS: Final = -0.31
_MONOLITH_LEVELS: Final = (0.26, -0.02, -0.30)
# A character's share of the axis, on a chart of about 900 pixels.
_CHARACTER: Final = 7.0 / 900
_LONGEST_LABEL: Final = 44
# From this share of the axis on, a label to the right of its marker could be cut off.
_LABELS_TURN: Final = 0.62
_SEVERITY: Final = tuple(VERDICTS)
_HOVER: Final = "%{x|%H:%M:%S}  %{customdata}<extra></extra>"


def lanes_chart(
    events: Sequence[Event], axis: TimeAxis, palette: Palette, monolith: str | None
) -> go.Figure:
    """
    What happened to each service and to the monolith.

    Args:
        events: The run's events, oldest first.
        axis: Of the run.
        palette: With the services, in the order of their lanes.
        monolith: Its ECS service, whose name is left out of the texts in its lane.
    """
    names = [*palette.services, "monolith"]
    figure = _new_figure(axis, names)
    stages = stage_durations(events, axis.end)

    for y, name in enumerate(reversed(palette.services), start=1):
        lane = _Lane(figure, axis, y, palette.services[name])
        own = [event for event in events if event.service == name]
        lane.draw_stages(stages.get(name, ()))
        lane.draw_weights(own)
        lane.draw_verdicts(own)

    _draw_monolith(figure, axis, events, monolith or "monolith")
    return figure


def _new_figure(axis: TimeAxis, names: Sequence[str]) -> go.Figure:
    """With a lane for each name, from top to bottom."""
    height = 40 + _LANE_HEIGHT * len(names)
    figure = go.Figure(layout=axis.layout(height=height, hovermode="closest"))
    figure.update_layout(margin_t=6, showlegend=False)

    lanes = list(range(len(names)))
    labels = [plain(name) for name in reversed(names)]
    figure.update_yaxes(
        tickvals=lanes,
        ticktext=labels,
        range=[-0.5, len(names) - 0.5],
        showgrid=False,
    )
    return figure


@dataclass(frozen=True)
class _Lane:
    figure: go.Figure
    axis: TimeAxis
    y: int
    """Its middle; lanes are 1 high."""
    colour: str

    def draw_stages(self, stages: Iterable[StageTime]) -> None:
        """Draw a bar for each stage that takes time."""
        for stage in stages:
            if stage.stage not in FINAL_STAGES:
                self._draw_bar(stage)
                self._draw_stage_name(stage)

    def draw_weights(self, events: Iterable[Event]) -> None:
        """Draw a diamond above the bar for each change of weight."""
        changes = [event for event in events if event.kind == "weight"]
        for event in changes:
            self._draw_tick(event_time(event))

        self.figure.add_scatter(
            x=[event_time(event) for event in changes],
            y=[self.y + _WEIGHTS] * len(changes),
            mode="markers+text",
            marker={"symbol": "diamond", "size": 9, "color": self.colour},
            text=self._weight_labels(changes),
            textposition=[_side(event, self.axis) for event in changes],
            textfont={"size": 12},
            customdata=[plain(event.text) for event in changes],
            hovertemplate=_HOVER,
        )

    def draw_verdicts(self, events: Iterable[Event]) -> None:
        """Draw a mark below the bar for each verdict, the worst on top."""
        judged = [event for event in events if event.verdict]
        judged.sort(key=_severity)
        marks = [VERDICTS[str(event.verdict)] for event in judged]

        self.figure.add_scatter(
            x=[event_time(event) for event in judged],
            y=[self.y + _VERDICTS] * len(judged),
            mode="markers",
            marker=_marker(marks),
            customdata=[f"{event.verdict}: {plain(event.text)}" for event in judged],
            hovertemplate=_HOVER,
        )

    def _draw_bar(self, stage: StageTime) -> None:
        end = stage.started + stage.seconds
        self.figure.add_shape(
            type="rect",
            x0=axis_time(stage.started),
            x1=axis_time(end),
            y0=self.y - _BAR,
            y1=self.y + _BAR,
            fillcolor=self._fill(stage),
            line={"width": 0},
            layer="between",
        )

    def _fill(self, stage: StageTime) -> str:
        """Only the stage with traffic is in the service's colour."""
        if stage.stage == "shifting":
            return see_through(self.colour, 0.5)
        return see_through(NEUTRAL, 0.22)

    def _draw_stage_name(self, stage: StageTime) -> None:
        """In the middle of its bar; only on hover where the bar is too short."""
        name = plain(stage.stage)
        middle = stage.started + stage.seconds / 2

        self.figure.add_scatter(
            x=[axis_time(middle)],
            y=[self.y],
            mode="text" if self._fits(stage) else "markers",
            text=[name],
            textfont={"size": 11},
            marker={"opacity": 0, "size": 14},
            customdata=[f"{name}: {duration(stage.seconds)}"],
            hovertemplate="%{customdata}<extra></extra>",
        )

    def _fits(self, stage: StageTime) -> bool:
        """Whether the bar is as wide as the stage's name."""
        name = len(stage.stage) * _CHARACTER
        bar = stage.seconds / self.axis.seconds
        return name <= bar

    def _draw_tick(self, x: str) -> None:
        """Connect the bar with the diamond above it."""
        self.figure.add_shape(
            type="line",
            x0=x,
            x1=x,
            y0=self.y + _BAR,
            y1=self.y + _WEIGHTS,
            line={"color": self.colour, "width": 1.2, "dash": "dot"},
        )

    def _weight_labels(self, changes: Sequence[Event]) -> list[str]:
        """Empty where labels would overlap; a return to the monolith takes precedence."""
        texts = [f" {event.weight}%" for event in changes]
        levels = _levels(changes, texts, self.axis)
        return _shown(texts, levels)


def _severity(event: Event) -> int:
    return _SEVERITY.index(str(event.verdict))


def _marker(marks: Sequence[Mark]) -> dict[str, list[Any]]:
    """As Plotly takes them."""
    return {
        "color": [mark.colour for mark in marks],
        "symbol": [mark.shape for mark in marks],
        "size": [mark.size for mark in marks],
    }


def _draw_monolith(
    figure: go.Figure, axis: TimeAxis, events: Iterable[Event], monolith: str
) -> None:
    """A square with a text for each step of the drain."""
    drains = [event for event in events if event.kind == "drain"]
    texts = [_short(event.text, monolith) for event in drains]
    levels = _levels(drains, texts, axis, most=len(_MONOLITH_LEVELS))

    figure.add_scatter(
        x=[event_time(event) for event in drains],
        y=[_MONOLITH_LEVELS[level or 0] for level in levels],
        mode="markers+text",
        marker={"symbol": "square", "size": 8, "color": NEUTRAL},
        text=_shown([f" {plain(text)} " for text in texts], levels),
        textposition=[_side(event, axis) for event in drains],
        textfont={"size": 12},
        customdata=[plain(event.text) for event in drains],
        hovertemplate=_HOVER,
    )


def _levels(
    events: Sequence[Event],
    texts: Sequence[str],
    axis: TimeAxis,
    most: int = 1,
) -> list[int | None]:
    """
    The level of each event's label, from 0; None where it would cover another one.

    Args:
        events: In any order.
        texts: Of their labels.
        axis: Of the run.
        most: How many labels fit above each other.
    """
    labels = [_label(event, text, axis) for event, text in zip(events, texts, strict=True)]
    return place_labels(labels, most)


def _label(event: Event, text: str, axis: TimeAxis) -> Label:
    """The space of a marker with its text beside it."""
    width = (len(text) + 1) * _CHARACTER
    begin = axis.share(event)
    if _side(event, axis) == "middle left":
        begin -= width
    return Label(begin, width, is_first=event.weight == 0)


def _shown(texts: Iterable[str], levels: Iterable[int | None]) -> list[str]:
    """The texts, empty where there is no level for them."""
    return ["" if level is None else text for text, level in zip(texts, levels, strict=True)]


def _side(event: Event, axis: TimeAxis) -> Literal["middle right", "middle left"]:
    """A label is to the right of its marker, unless the chart ends there."""
    if axis.share(event) < _LABELS_TURN:
        return "middle right"
    return "middle left"


def _short(text: str, monolith: str) -> str:
    """The first line, without the name of the monolith, which the lane has already."""
    line, _, _ = text.partition("\n")
    line = line.removeprefix(f"{monolith}: ")
    line = line.removeprefix(f"{monolith} ")
    return _cut(line)


def _cut(line: str) -> str:
    """The line as a label, ending in `…` if it is too long for one."""
    if len(line) <= _LONGEST_LABEL:
        return line
    return line[: _LONGEST_LABEL - 1] + "…"
