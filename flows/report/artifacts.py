"""Prefect artifacts: plan, outcome, evidence."""

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from config.split import SplitConfig
from flows.plan.split import Plan
from flows.record.events import JOURNAL
from flows.record.outcome import Outcome
from flows.report.summary import headline
from flows.report.tables import markdown_table, service_rows, verdict_rows

__all__ = [
    "evidence_markdown",
    "publish_outcome",
    "publish_plan",
    "publish_rows",
]


async def publish_plan(config: SplitConfig, plan: Plan) -> None:
    """Write the plan as a table artifact."""
    await publish_rows(config, plan.rows())


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
