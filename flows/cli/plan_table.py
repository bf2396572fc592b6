"""The plan on a terminal."""

import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.record.outcome import Outcome

__all__ = ["print_plan"]

_STYLES: Final = {"create": "green", "update": "yellow", "conflict": "bold red", "drain": "yellow"}
_WIDTH: Final = 140


def print_plan(rows: Sequence[dict[str, str]], outcome: Outcome) -> None:
    """
    Print what a run would do, grouped by service, on stderr.

    Args:
        rows: Of `flows.plan.split.Plan.rows`.
        outcome: Of the run that made the plan.
    """
    console = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH, highlight=False)
    order = list(dict.fromkeys(row["service"] for row in rows))
    grouped = sorted(rows, key=lambda row: order.index(row["service"]))
    for service, own in groupby(grouped, key=lambda row: row["service"]):
        table = Table(
            box=box.SIMPLE_HEAD,
            title=Text(service, style="bold"),
            title_justify="left",
            pad_edge=False,
        )
        for name in ("resource", "name", "action", "details"):
            table.add_column(name, overflow="fold")
        for row in own:
            table.add_row(
                row["resource"],
                Text(row["name"]),
                Text(row["action"], style=_STYLES.get(row["action"], "dim")),
                Text(row["details"]),
            )
        console.print(table)
    words = {"unchanged": "Nothing to do: AWS holds what the config asks for."}
    console.print(
        Text(
            outcome.error
            or words.get(outcome.status, "Nothing was changed; run without --plan to do it.")
        )
    )
