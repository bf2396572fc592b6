"""One card per service: its state, and the stages it went through."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.record.outcome import Event, Outcome
from flows.report.formats import NONE, duration
from flows.report.html.palette import Palette, see_through
from flows.report.tables import Row, service_rows
from flows.report.timeline import StageTime, stage_durations

__all__ = ["ServiceCard", "StageBar", "service_cards"]


@dataclass(frozen=True)
class StageBar:
    """One stage; its width is its share of the time."""

    label: str
    seconds: float
    colour: str | None
    """None for a stage without traffic."""


@dataclass(frozen=True)
class ServiceCard:
    """One service."""

    name: str
    stage: str
    colour: str
    bars: Sequence[StageBar]
    facts: Row


def service_cards(outcome: Outcome, events: Sequence[Event], palette: Palette) -> list[ServiceCard]:
    """
    The services of the outcome.

    Args:
        outcome: The run's result.
        events: Its events, oldest first.
        palette: With a colour for each of them.
    """
    cards = []
    stages = stage_durations(events)

    for row in service_rows(outcome, events):
        name = row["service"]
        colour = palette.services[name]
        bars = _stage_bars(stages.get(name, ()), colour)
        card = ServiceCard(
            name=name,
            stage=row["stage"],
            colour=colour,
            bars=bars,
            facts=_facts(row, bars),
        )
        cards.append(card)
    return cards


def _stage_bars(stages: Sequence[StageTime], colour: str) -> list[StageBar]:
    """Of the stages that took time; `colour` marks the one with traffic."""
    return [_stage_bar(stage, colour) for stage in stages if stage.seconds]


def _stage_bar(stage: StageTime, colour: str) -> StageBar:
    has_traffic = stage.stage == "shifting"
    return StageBar(
        label=f"{stage.stage} {duration(stage.seconds)}",
        seconds=stage.seconds,
        colour=see_through(colour, 0.5) if has_traffic else None,
    )


def _facts(row: Row, bars: Sequence[StageBar]) -> Row:
    stages = ", ".join(bar.label for bar in bars)
    return {
        "Weight": row["weight"],
        "Weight steps": row["steps"],
        "Healthy targets": row["healthy targets"],
        "Stages": stages or NONE,
        "Image": row["image"],
        "Task definition": row["task definition"],
    }
