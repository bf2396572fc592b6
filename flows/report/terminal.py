"""The summary at the end of a run, on a terminal or in a log: it reads as well without colour."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.record.outcome import Event, Outcome
from flows.report.client_log import Tally
from flows.report.formats import NONE, duration
from flows.report.summary import headline, next_steps
from flows.report.tables import Row, problem_rows, service_rows, traffic_rows
from flows.report.timeline import StageTime, stage_durations

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
    {"weight", "healthy targets", "duration", "responses", "share", "p50", "p95", *_STAGES}
)


def print_summary(
    console: Console,
    outcome: Outcome,
    events: Sequence[Event],
    *,
    report: Path | None,
    tally: Tally | None,
) -> None:
    """
    Print a run's result, and what to do next.

    Args:
        console: Where to print.
        outcome: The run's result.
        events: Its events, oldest first.
        report: The HTML report, if one was written.
        tally: The live client's counts with latencies; without it, the outcome's traffic is shown
            without latencies.
    """
    _print_headline(console, outcome, events)
    _print_engine(console, outcome.engine)

    _print_table(console, "Services", _service_rows(outcome, events))
    _print_table(console, "Time in each stage", _stage_rows(events))
    if outcome.traffic:
        _print_table(console, "Traffic", traffic_rows(outcome.traffic, tally))
    _print_table(console, "Problems", problem_rows(outcome, events, tally))

    steps = next_steps(outcome, events)
    if report:
        steps.insert(0, f"HTML report with charts and all verdicts: {report}")
    _print_next_steps(console, steps)


def _print_headline(console: Console, outcome: Outcome, events: Sequence[Event]) -> None:
    text = headline(outcome, events)
    style = _HEADLINE_STYLES.get(outcome.status, "bold")

    console.print()
    console.print(Text(text, style), soft_wrap=True)


def _print_engine(console: Console, engine: str | None) -> None:
    if engine:
        console.print(Text(f"Container engine: {engine}"))


def _print_next_steps(console: Console, steps: Sequence[str]) -> None:
    if steps:
        console.print("\nNext steps", style="bold")
    for step in steps:
        console.print(Text(f"  {step}"), soft_wrap=True)


def _service_rows(outcome: Outcome, events: Sequence[Event]) -> list[Row]:
    """Without the columns that are too wide for a terminal."""
    rows = service_rows(outcome, events)
    for row in rows:
        del row["image"]
        del row["task definition"]
    return rows


def _stage_rows(events: Sequence[Event]) -> list[Row]:
    """One row a service, one column a stage that any of them reached."""
    rows = []
    for service, stages in stage_durations(events).items():
        totals = _stage_totals(stages)
        if totals:
            rows.append({"service": service, **totals})
    return _with_all_columns(rows, ["service", *_STAGES])


def _stage_totals(stages: Iterable[StageTime]) -> Row:
    """The time in each stage; a service can go through one twice."""
    totals: defaultdict[str, float] = defaultdict(float)
    for stage in stages:
        if stage.stage in _STAGES:
            totals[stage.stage] += stage.seconds

    return {stage: duration(seconds) for stage, seconds in totals.items()}


def _with_all_columns(rows: Sequence[Row], columns: Iterable[str]) -> list[Row]:
    """The rows in the same columns, without those that none of them has."""
    present = set[str]().union(*rows)
    shown = [column for column in columns if column in present]
    return [_in_columns(shown, row) for row in rows]


def _in_columns(columns: Iterable[str], row: Row) -> Row:
    return {column: row.get(column, NONE) for column in columns}


def _print_table(console: Console, title: str, rows: Sequence[Row]) -> None:
    if not rows:
        return

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
    for heading in rows[0]:
        _add_column(table, heading)
    for row in rows:
        _add_row(table, row)

    console.print()
    console.print(table)


def _add_column(table: Table, heading: str) -> None:
    table.add_column(
        heading,
        justify="right" if heading in _NUMBERS else "left",
        no_wrap=heading != "what",
        header_style="dim",
        overflow="fold",
    )


def _add_row(table: Table, row: Row) -> None:
    cells = [_cell(value) for value in row.values()]
    table.add_row(*cells)


def _cell(value: str) -> Text:
    """In the colour of its stage, if it is one."""
    style = STAGE_STYLES.get(value, "")
    return Text(value, style=style)
