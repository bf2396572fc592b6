"""Prefect artifacts: plan, outcome, evidence."""

from collections.abc import Sequence

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from config.split import SplitConfig
from flows.record.journal import current_journal
from flows.record.outcome import Outcome
from flows.report.summary import headline
from flows.report.tables import markdown_table, service_rows, verdict_rows

__all__ = ["evidence_markdown", "publish_outcome", "publish_rows"]

_DIGITS = 12


async def publish_rows(config: SplitConfig, rows: list[dict[str, str]]) -> None:
    """Write a plan's rows as a table artifact."""
    await acreate_table_artifact(
        table=rows,
        key=f"{config.name}-plan",
        description=f"Plan of split {config.name}",
    )


def evidence_markdown(config: SplitConfig) -> str:
    """The verdicts so far, for the person who is asked to approve."""
    rows = verdict_rows(current_journal().events)
    return markdown_table(rows) or f"Every service of {config.name} has settled."


async def publish_outcome(config: SplitConfig, outcome: Outcome) -> None:
    """Write services and verdicts as a markdown artifact."""
    events = current_journal().events
    services = _narrow(service_rows(outcome, events))
    verdicts = verdict_rows(events)
    parts = [
        f"# Split {config.name}",
        headline(outcome, events),
        f"```\n{outcome.error}\n```" if outcome.error else "",
        markdown_table(services),
        "## Gates and checks",
        markdown_table(verdicts),
    ]
    markdown = "\n\n".join(part for part in parts if part)
    await acreate_markdown_artifact(markdown=markdown, key=f"{config.name}-report")


def _narrow(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """A whole digest makes Prefect's table wider than a page."""
    return [{**row, "image": _short_digest(row["image"])} for row in rows]


def _short_digest(image: str) -> str:
    name, at, digest = image.partition("@sha256:")
    if not at:
        return image
    return f"{name}{at}{digest[:_DIGITS]}…"
