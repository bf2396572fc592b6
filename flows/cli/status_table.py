"""A split's status on one screen."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.plan.routes import PathOwners, RouteAnswer
from flows.plan.status import LockNow, MonolithNow, ServiceNow, StatusOutcome
from flows.record.outcome import ServiceOutcome
from flows.report.formats import duration

__all__ = ["drift_rows", "lock_text", "path_rows", "print_status", "service_rows"]

Row = dict[str, str]

_NOTHING: Final = "-"
_WIDTH: Final = 140
_STYLES: Final = {
    "settled": "green",
    "shifting": "yellow",
    "placed": "cyan",
    "create": "green",
    "update": "yellow",
}
_SHOWN: Final = 30
_DIGITS: Final = 12


def print_status(status: StatusOutcome) -> None:
    """Print it on stdout."""
    console = _console()
    console.print(_heading(status), soft_wrap=True)
    console.print(Text(lock_text(status.lock)), soft_wrap=True)
    _print_table(console, "Services", service_rows(status))
    _print_table(console, "Routing", path_rows(status))
    _print_drift(console, drift_rows(status))


def _console() -> Console:
    width = None if sys.stdout.isatty() else _WIDTH
    return Console(width=width, highlight=False)


def _heading(status: StatusOutcome) -> Text:
    where = f"cluster {status.cluster}, {status.region}, account {status.account_id}"
    return Text.assemble(
        (status.split, "bold"),
        f" in {where}, behind {status.alb_url}",
    )


def _print_drift(console: Console, rows: Sequence[Row]) -> None:
    if not rows:
        console.print(Text("\nNo drift: AWS matches the config.", style="green"))
        return

    _print_table(console, "Drift", rows[:_SHOWN])
    if len(rows) > _SHOWN:
        _print_hidden(console, len(rows) - _SHOWN)


def _print_hidden(console: Console, count: int) -> None:
    console.print(f"and {count} more; --json or flows.split --plan lists them all")


def lock_text(lock: LockNow | None) -> str:
    """Which run has locked the listener."""
    if lock is None:
        return "Lock: none"

    run = f"{lock.run} on {lock.host}, since {lock.started:%Y-%m-%d %H:%M:%S %Z}"
    if lock.gone:
        return f"Lock: {run}; that run is dead, and the next one takes the lock over"
    return f"Lock: {run}"


def service_rows(status: StatusOutcome) -> list[Row]:
    """One row a service, and the monolith's."""
    rows = [
        _service_row(name, service)
        for name, service in status.services.items()
        if isinstance(service, ServiceNow)
    ]
    if isinstance(status.monolith, MonolithNow):
        rows.append(_monolith_row(status.monolith))
    return rows


def _service_row(name: str, service: ServiceNow) -> Row:
    return {
        "service": name,
        "stage": service.stage,
        "weight": f"{service.weight}%",
        "targets": _counts(service.targets),
        "tasks": _of(service.running_count, service.desired_count),
        "revision": (service.task_definition or _NOTHING).rpartition("/")[2],
        "image": _short_image(service.image),
        "pushed": _age(service.image_pushed),
        "notes": "; ".join(_service_notes(service)),
    }


def _service_notes(service: ServiceNow) -> list[str]:
    notes = list(service.target_reasons)
    if service.rollout not in (None, "COMPLETED"):
        notes.append(f"rollout {service.rollout}")
    if service.ecs_status == "DRAINING":
        notes.append("its ECS service was deleted, and still drains")
    if service.private_rules:
        notes.append(f"{service.private_rules} preview and control rules of a run")
    return notes


def _monolith_row(monolith: MonolithNow) -> Row:
    return {
        "service": monolith.service,
        "stage": "drained" if monolith.drained else "monolith",
        "weight": _NOTHING,
        "targets": _counts(monolith.targets),
        "tasks": _of(monolith.running_count, monolith.desired_count),
        "revision": _NOTHING,
        "image": _NOTHING,
        "pushed": _NOTHING,
        "notes": "; ".join(_monolith_notes(monolith)),
    }


def _monolith_notes(monolith: MonolithNow) -> list[str]:
    notes = []
    if monolith.recorded_count is not None:
        notes.append(f"size before the split: {monolith.recorded_count}")
    if monolith.scaling:
        notes.append(f"scaling: {_suspended(monolith.scaling)}")
    if monolith.recorded_scaling:
        notes.append(f"scaling before: {_suspended(monolith.recorded_scaling)}")
    return notes


def _suspended(scaling: str) -> str:
    """From `in=1 out=0 scheduled=0`."""
    parts = scaling.split()
    kinds = [part.removesuffix("=1") for part in parts if part.endswith("=1")]
    if not kinds:
        return "on"
    return f"{', '.join(kinds)} suspended"


def path_rows(status: StatusOutcome) -> list[Row]:
    """One row a rule that takes requests of a path; a path may have several."""
    rows: list[Row] = []
    for owners in status.paths:
        rows += _rows_of_path(owners)
    return rows


def _rows_of_path(owners: PathOwners) -> list[Row]:
    rows = [_rule_row(answer) for answer in owners.answers]
    for first in rows[:1]:
        first["path"] = owners.path
        first["owner"] = owners.wanted or _NOTHING
    return rows


def _rule_row(answer: RouteAnswer) -> Row:
    """The path is only in the first row of a path."""
    return {
        "path": "",
        "owner": "",
        "goes to": _shares(answer),
        "rule": answer.rule,
    }


def _shares(answer: RouteAnswer) -> str:
    shares = [f"{name} {share}%" for name, share in answer.shares.items()]
    text = ", ".join(shares)
    if answer.only_some:
        return f"{text} (some requests)"
    return text


def drift_rows(status: StatusOutcome) -> list[Row]:
    """The plan's rows, the monolith's last; a service that does not exist yet is one row."""
    rows: list[Row] = []
    for name, service in status.services.items():
        own = [row for row in status.drift if row["service"] == name]
        rows += [_missing(name)] if _is_missing(service, own) else own
    rows += [row for row in status.drift if row["service"] not in status.services]
    return rows


def _is_missing(service: ServiceOutcome, drift: Iterable[Row]) -> bool:
    actions = [row["action"] for row in drift]
    if service.stage != "planned" or not actions:
        return False
    return "conflict" not in actions


def _missing(name: str) -> Row:
    return {
        "service": name,
        "resource": "all resources",
        "name": name,
        "action": "create",
        "details": "flows.split creates them",
    }


def _print_table(console: Console, title: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Columns without any value are left out."""
    if not rows:
        return

    columns = _columns(rows)
    table = _table(title, columns)
    for row in rows:
        table.add_row(*_cells(row[name] for name in columns))
    console.print(table)


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title=Text(title, style="bold"),
        title_justify="left",
        pad_edge=False,
    )
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _columns(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The columns with a value."""
    return [name for name in rows[0] if any(row[name] for row in rows)]


def _cells(values: Iterable[str]) -> list[Text]:
    cells = []
    for value in values:
        style = _STYLES.get(value, "")
        cells.append(Text(value, style=style))
    return cells


def _counts(targets: Mapping[str, int]) -> str:
    counts = [f"{count} {state}" for state, count in sorted(targets.items())]
    return ", ".join(counts) or "none"


def _of(running: int | None, desired: int | None) -> str:
    if desired is None:
        return _NOTHING
    return f"{running} of {desired}"


def _short_image(image: str | None) -> str:
    """A digest's first twelve digits name it well enough on a screen."""
    if image is None:
        return _NOTHING

    reference, at, digest = image.partition("@")
    name = reference.rpartition("/")[2]
    if not at:
        return name

    digits = digest.removeprefix("sha256:")[:_DIGITS]
    return f"{name}@{digits}"


def _age(pushed: datetime | None) -> str:
    if pushed is None:
        return _NOTHING

    age = datetime.now(UTC) - pushed
    if age.days > 1:
        return f"{age.days} days ago"

    seconds = max(age.total_seconds(), 0)
    return f"{duration(seconds)} ago"
