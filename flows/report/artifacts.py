"""Prefect artifacts: plan, outcome, evidence."""

from collections.abc import Sequence
from typing import Any

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from config.split import SplitConfig
from flows.plan.split import Plan, PlannedChange, ServicePlan
from flows.record.events import JOURNAL
from flows.record.outcome import Outcome
from flows.report.summary import headline
from flows.report.tables import markdown_table, service_rows, verdict_rows
from tasks.aws.change import Conflict, Update

__all__ = [
    "evidence_markdown",
    "plan_rows",
    "publish_outcome",
    "publish_plan",
    "publish_rows",
    "service_plan_rows",
]


def plan_rows(plan: Plan, monolith: str) -> list[dict[str, str]]:
    """The plan as a table: service, resource, name, action, details."""
    rows = service_plan_rows(plan.services)
    rows += [_row(monolith, change) for change in plan.monolith]
    drain = (
        "no change" if plan.drain.already_drained else "drain" if plan.drain.will_drain else "keep"
    )
    return [*rows, _cells(monolith, "drain", monolith, drain, "; ".join(plan.drain.reasons))]


def service_plan_rows(plans: Sequence[ServicePlan]) -> list[dict[str, str]]:
    """The same of services alone."""
    rows = [_row(item.service, change) for item in plans for change in item.changes]
    for item in plans:
        if item.steps:
            steps = " -> ".join(
                f"{weight} %"
                for weight in (item.weight, *(s for s in item.steps if s != item.weight))
            )
            rows.append(_cells(item.service, "traffic", "weights", "update", steps))
    return rows


def _cells(service: str, resource: str, name: str, action: str, details: str) -> dict[str, str]:
    return {
        "service": service,
        "resource": resource,
        "name": name,
        "action": action,
        "details": details,
    }


def _row(service: str, item: PlannedChange) -> dict[str, str]:
    change = item.change
    details = "removed again at the end" if item.temporary else ""
    if isinstance(change, Update):
        details = "; ".join(
            f"{name}: {_short(before)} -> {_short(after)}"
            for name, (before, after) in change.fields.items()
        )
    if isinstance(change, Conflict):
        details = change.reason
    return _cells(service, item.resource, item.name, change.kind, details)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


async def publish_plan(config: SplitConfig, plan: Plan) -> None:
    """Write the plan as a table artifact."""
    await publish_rows(config, plan_rows(plan, config.monolith.service))


async def publish_rows(config: SplitConfig, rows: list[dict[str, str]]) -> None:
    """Write a plan's rows as a table artifact, and leave them to the command line."""
    journal = JOURNAL.get()
    if journal:
        journal.plan = rows
    await acreate_table_artifact(
        table=rows, key=f"{config.name}-plan", description=f"Plan of split {config.name}"
    )


def evidence_markdown(config: SplitConfig) -> str:
    """What has been seen so far, for the person who is asked."""
    journal = JOURNAL.get()
    if journal is None:
        return f"Every service of {config.name} has settled."
    return (
        markdown_table(verdict_rows(journal.events))
        or f"Every service of {config.name} has settled."
    )


def _short_digest(image: str) -> str:
    """A whole digest makes Prefect's table wider than a page."""
    name, at, digest = image.partition("@sha256:")
    return f"{name}{at}{digest[:12]}" + ("…" if digest else "")


async def publish_outcome(config: SplitConfig, outcome: Outcome) -> None:
    """Write services and verdicts as artifacts."""
    journal = JOURNAL.get()
    events = journal.events if journal else []
    services = [
        {**row, "image": _short_digest(row["image"])} for row in service_rows(outcome, events)
    ]
    words = headline(outcome, events) + (f"\n\n```\n{outcome.error}\n```" if outcome.error else "")
    parts = [
        f"# Split {config.name}",
        words,
        markdown_table(services),
        "## Gates and checks",
        markdown_table(verdict_rows(events)),
    ]
    await acreate_markdown_artifact(markdown="\n\n".join(parts), key=f"{config.name}-report")
