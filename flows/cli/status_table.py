"""A split's status on one screen."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.plan.routes import RouteAnswer
from flows.plan.status import LockNow, MonolithNow, ServiceNow, StatusOutcome
from flows.report.formats import duration

__all__ = ["drift_rows", "lock_words", "path_rows", "print_status", "service_rows"]

_WIDTH: Final = 140
_STYLES: Final = {
    "settled": "green",
    "shifting": "yellow",
    "placed": "cyan",
    "create": "green",
    "update": "yellow",
}
_SHOWN: Final = 30


def print_status(status: StatusOutcome) -> None:
    """Print it on stdout."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    where = f"cluster {status.cluster}, {status.region}, account {status.account_id}"
    console.print(
        Text.assemble((status.split, "bold"), f" in {where}, behind {status.alb_url}"),
        soft_wrap=True,
    )
    console.print(Text(lock_words(status.lock)), soft_wrap=True)
    _print_table(console, "Services", service_rows(status))
    _print_table(console, "Who answers", path_rows(status))
    rows = drift_rows(status)
    _print_table(console, "Not as the config asks for", rows[:_SHOWN])
    if len(rows) > _SHOWN:
        console.print(f"and {len(rows) - _SHOWN} more: --json, or flows.split --plan", markup=False)
    if not rows:
        console.print(Text("\nEverything is as the config asks for.", style="green"))


def lock_words(lock: LockNow | None) -> str:
    """Who holds the listener."""
    if lock is None:
        return "No run holds the listener."
    since = f"{lock.run} on {lock.host}, since {lock.started:%Y-%m-%d %H:%M:%S %Z}"
    return (
        f"Lock of a dead run, which the next one takes over: {since}"
        if lock.gone
        else f"Held by {since}"
    )


def service_rows(status: StatusOutcome) -> list[dict[str, str]]:
    """One row a service, and the monolith's."""
    rows = [
        _service_row(name, item)
        for name, item in status.services.items()
        if isinstance(item, ServiceNow)
    ]
    if isinstance(status.monolith, MonolithNow):
        rows.append(_monolith_row(status.monolith))
    return rows


def _service_row(name: str, service: ServiceNow) -> dict[str, str]:
    notes = list(service.target_reasons)
    if service.rollout not in (None, "COMPLETED"):
        notes.append(f"rollout {service.rollout}")
    if service.private_rules:
        notes.append(f"{service.private_rules} private rules of a run")
    return {
        "service": name,
        "stage": service.stage,
        "weight": f"{service.weight} %",
        "targets": _counts(service.targets),
        "tasks": _of(service.running_count, service.desired_count),
        "revision": (service.task_definition or "-").rpartition("/")[2],
        "image": _short_image(service.image),
        "pushed": _age(service.image_pushed),
        "notes": "; ".join(notes),
    }


def _monolith_row(monolith: MonolithNow) -> dict[str, str]:
    notes = []
    if monolith.recorded_count is not None:
        notes.append(f"recorded size {monolith.recorded_count}")
    if monolith.scaling:
        notes.append(f"scaling: {_suspended(monolith.scaling)}")
    if monolith.recorded_scaling:
        notes.append(f"before the drain: {_suspended(monolith.recorded_scaling)}")
    return {
        "service": monolith.service,
        "stage": "drained" if monolith.drained else "monolith",
        "weight": "-",
        "targets": _counts(monolith.targets),
        "tasks": _of(monolith.running_count, monolith.desired_count),
        "revision": "-",
        "image": "-",
        "pushed": "-",
        "notes": "; ".join(notes),
    }


def _suspended(scaling: str) -> str:
    """From `in=1 out=0 scheduled=0`."""
    kinds = [part.partition("=")[0] for part in scaling.split() if part.endswith("=1")]
    return f"{', '.join(kinds)} suspended" if kinds else "on"


def path_rows(status: StatusOutcome) -> list[dict[str, str]]:
    """One row an answer; a path that several rules answer has several."""
    return [
        {
            "path": owners.path if number == 0 else "",
            "meant for": (owners.wanted or "-") if number == 0 else "",
            "answered by": _shares(answer),
            "rule": answer.rule,
        }
        for owners in status.paths
        for number, answer in enumerate(owners.answers)
    ]


def _shares(answer: RouteAnswer) -> str:
    text = ", ".join(f"{name} {share} %" for name, share in answer.shares.items())
    return f"{text} (some requests)" if answer.only_some else text


def drift_rows(status: StatusOutcome) -> list[dict[str, str]]:
    """The plan's rows; a service that is not begun is one row."""
    rows = []
    for name, service in status.services.items():
        own = [row for row in status.drift if row["service"] == name]
        if (
            service.stage == "planned"
            and own
            and not any(row["action"] == "conflict" for row in own)
        ):
            details = "flows.split makes it"
            own = [
                {
                    "service": name,
                    "resource": "all of it",
                    "name": name,
                    "action": "create",
                    "details": details,
                }
            ]
        rows += own
    return rows


def _print_table(console: Console, title: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Columns without any value are left out."""
    if not rows:
        return
    table = Table(
        box=box.SIMPLE_HEAD, title=Text(title, style="bold"), title_justify="left", pad_edge=False
    )
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*_cells(row[name] for name in columns))
    console.print(table)


def _cells(values: Iterable[str]) -> list[Text]:
    return [Text(value, style=_STYLES.get(value, "")) for value in values]


def _counts(targets: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(targets.items())) or "none"


def _of(running: int | None, desired: int | None) -> str:
    return "-" if desired is None else f"{running} of {desired}"


def _short_image(image: str | None) -> str:
    """A digest's first twelve digits name it well enough on a screen."""
    reference, at, digest = (image or "-").partition("@")
    name = reference.rpartition("/")[2]
    return f"{name}@{digest.removeprefix('sha256:')[:12]}" if at else name


def _age(pushed: datetime | None) -> str:
    if pushed is None:
        return "-"
    seconds = (datetime.now(UTC) - pushed).total_seconds()
    days = int(seconds // 86400)
    return f"{days} days ago" if days > 1 else f"{duration(max(seconds, 0))} ago"
