"""The run in a few facts and numbers, at the top of the page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from flows.record.outcome import Outcome
from flows.report.client_log import Tally
from flows.report.formats import clock, duration
from flows.report.html.axis import TimeAxis

__all__ = ["Tile", "run_facts", "run_tiles"]


@dataclass(frozen=True)
class Tile:
    """One number in large letters."""

    label: str
    value: str
    tone: Literal["good", "bad", ""] = ""


def run_facts(outcome: Outcome, axis: TimeAxis) -> Iterator[str]:
    """When and where the run was."""
    yield _time_span(axis)
    if outcome.engine:
        yield outcome.engine
    if outcome.alb_url:
        yield outcome.alb_url


def run_tiles(outcome: Outcome, tally: Tally, axis: TimeAxis) -> Iterator[Tile]:
    """Its result, the traffic and the time it took; tiles without a value are left out."""
    if outcome.services:
        yield _settled_tile(outcome)

    if outcome.monolith:
        state = "drained" if outcome.monolith.drained else "running"
        yield Tile("Monolith", state)

    if tally.requests:
        yield Tile("Requests", f"{tally.requests:,}")
        yield _failed_tile(tally)

    yield Tile("Duration", duration(axis.seconds))


def _time_span(axis: TimeAxis) -> str:
    """`18 November 2026, 11:06:40 to 11:08:10 UTC`."""
    day = datetime.fromtimestamp(axis.start, UTC).astimezone()
    begin = clock(axis.start)
    end = clock(axis.end)
    return f"{day:%d %B %Y}, {begin} to {end} {day:%Z}"


def _failed_tile(tally: Tally) -> Tile:
    return Tile(
        label="Failed requests",
        value=f"{tally.failed:,}",
        tone="bad" if tally.failed else "good",
    )


def _settled_tile(outcome: Outcome) -> Tile:
    services = outcome.services.values()
    whole = len(services)
    settled = sum(service.stage == "settled" for service in services)

    return Tile(
        label="Services settled",
        value=f"{settled} of {whole}",
        tone="good" if settled == whole else "bad",
    )
