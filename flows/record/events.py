"""Emits what happens in a run: to its journal, to the log, and as Prefect events."""

import logging
from typing import Any, Final

from prefect.events import emit_event
from prefect.runtime import flow_run

from flows.record.journal import current_journal
from flows.record.outcome import Event
from tasks.aws.task import log

__all__ = ["JOURNALED", "emit"]

JOURNALED: Final = "journaled"
"""Attribute of log records that repeat an event of the journal."""

_PREFECT_EVENTS: Final = ("stage", "weight", "drain")


def emit(kind: str, service: str | None, text: str, **details: Any) -> Event:
    """
    Record that something happened.

    Args:
        kind: As `Event.kind`.
        service: The service that it concerns; None for the split or the monolith.
        text: One line for a person.
        **details: Other fields of the event.
    """
    event = current_journal().add(kind, service, text, **details)
    level = logging.WARNING if event.verdict == "fail" else logging.INFO
    if event.is_detail:
        level = logging.DEBUG
    subject = f"{service}: " if service else ""
    log().log(level, "%s%s", subject, text, extra={JOURNALED: True})
    if kind in _PREFECT_EVENTS:
        _emit_to_prefect(event)
    return event


def _emit_to_prefect(event: Event) -> None:
    name = event.service or "monolith"
    kind = "service" if event.service else "monolith"
    resource = {
        "prefect.resource.id": f"split.{kind}.{name}",
        "prefect.resource.name": name,
        "split.flow-run": str(flow_run.id or ""),
    }
    payload = {"text": event.text, "weight": event.weight, **event.numbers}
    emit_event(event=_prefect_name(event), resource=resource, payload=payload)


def _prefect_name(event: Event) -> str:
    """For example `split.service.settled`, `split.service.shifted`, `split.monolith.drain`."""
    if event.kind == "weight":
        return "split.service.shifted"
    if event.kind == "stage":
        return f"split.service.{event.text}"
    return "split.monolith.drain"
