"""The final summary on a terminal, or in a log: it has to read as well without colour."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.record.outcome import Event, Outcome
from flows.report.client_log import Tally
from flows.report.summary import headline, next_steps
from flows.report.tables import (
    Row,
    duration,
    problem_rows,
    service_rows,
    stage_durations,
    traffic_rows,
)

__all__ = ["STAGE_STYLES", "print_summary"]

STAGE_STYLES: Final = {
    "settled": "green",
    "returned": "yellow",
    "removed": "yellow",
    "failed": "bold red",
}
_HEADLINE_STYLES: Final = {"completed": "bold green", "failed": "bold red", "refused": "bold red"}
_STAGES: Final = (
    "preparing",
    "placing",
    "proving",
    "shifting",
    "settling",
    "rolling out",
    "verifying",
)
_NUMBERS: Final = frozenset(
    {"weight", "healthy targets", "took", "answers", "share", "p50", "p95", *_STAGES}
)


def print_summary(
    console: Console,
    outcome: Outcome,
    events: Sequence[Event],
    *,
    report: Path | None,
    engine: str | None,
    tally: Tally | None,
) -> None:
    """
    Print what the run came to, and where to look next.

    Args:
        console: Where to.
        outcome: What the run came to.
        events: Its events, oldest first.
        report: The HTML report, if one was written.
        engine: Container engine that built the images; the outcome's own if None.
        tally: Counts with latencies; without it, the outcome's traffic is shown without them.
    """
    console.print()
    console.print(
        Text(headline(outcome, events), style=_HEADLINE_STYLES.get(outcome.status, "bold")),
        soft_wrap=True,
    )
    if engine or outcome.engine:
        console.print(
            f"Container engine: {engine or outcome.engine}", highlight=False, markup=False
        )
    columns = ("service", "stage", "weight", "steps", "healthy targets", "took")
    _print_table(
        console,
        "Services",
        [{name: row[name] for name in columns} for row in service_rows(outcome, events)],
    )
    _print_table(console, "Time in each stage", _stage_rows(events))
    if outcome.traffic:
        _print_table(console, "Who answered the live client", traffic_rows(outcome.traffic, tally))
    _print_table(console, "Problems", problem_rows(outcome, events, tally))
    steps = next_steps(outcome, events)
    if report:
        steps.insert(0, f"Charts, verdicts and numbers: {report}")
    if steps:
        console.print(Text("\nWhere to look next", style="bold"))
    for step in steps:
        console.print(f"  {step}", highlight=False, markup=False, soft_wrap=True)


def _stage_rows(events: Sequence[Event]) -> list[Row]:
    """One row a service, one column a stage; a stage that a run went through twice is added up."""
    spent: dict[str, dict[str, float]] = {}
    for service, stages in stage_durations(events).items():
        for stage in stages:
            if stage.stage in _STAGES:
                own = spent.setdefault(service, {})
                own[stage.stage] = own.get(stage.stage, 0.0) + stage.seconds
    seen = [stage for stage in _STAGES if any(stage in own for own in spent.values())]
    return [
        {"service": service}
        | {stage: duration(own[stage]) if stage in own else "-" for stage in seen}
        for service, own in spent.items()
    ]


def _print_table(console: Console, title: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False
    )
    for heading in rows[0]:
        is_number = heading in _NUMBERS
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            no_wrap=is_number or heading != "what",
            header_style="dim",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(value, style=STAGE_STYLES.get(value, "")) for value in row.values()))
    console.print()
    console.print(table)
