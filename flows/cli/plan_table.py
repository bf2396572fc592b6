"""The plan on a terminal."""

import sys
from collections.abc import Iterable, Mapping
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.record.outcome import Outcome

__all__ = ["print_plan"]

_STYLES: Final = {"create": "green", "update": "yellow", "conflict": "bold red", "drain": "yellow"}
_COLUMNS: Final = ("resource", "name", "action", "details")
_WIDTH: Final = 140


def print_plan(outcome: Outcome) -> None:
    """Print the plan of a run, grouped by service, on stderr."""
    console = _console()
    for table in _tables(outcome.plan or ()):
        console.print(table)

    conclusion = Text(_conclusion(outcome))
    console.print(conclusion)


def _console() -> Console:
    width = None if sys.stderr.isatty() else _WIDTH
    return Console(stderr=True, width=width, highlight=False)


def _tables(rows: Iterable[Mapping[str, str]]) -> Iterable[Table]:
    """One a service, in the order of their first rows."""
    tables: dict[str, Table] = {}
    for row in rows:
        service = row["service"]
        if service not in tables:
            tables[service] = _table(service)
        tables[service].add_row(*_cells(row))
    return tables.values()


def _table(service: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title=Text(service, style="bold"),
        title_justify="left",
        pad_edge=False,
    )
    for name in _COLUMNS:
        table.add_column(name, overflow="fold")
    return table


def _cells(row: Mapping[str, str]) -> list[Text]:
    action = row["action"]
    return [
        Text(row["resource"]),
        Text(row["name"]),
        Text(action, style=_STYLES.get(action, "dim")),
        Text(row["details"]),
    ]


def _conclusion(outcome: Outcome) -> str:
    if outcome.error:
        return outcome.error
    if outcome.status == "unchanged":
        return "No changes: AWS matches the config."
    return "Nothing was changed; run without --plan to apply this plan."
