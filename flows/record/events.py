"""
Tells what happens in a run to all who watch: the log, the journal of a command line, Prefect's
events.
"""

import logging
from contextvars import ContextVar
from typing import Any, Final

from prefect.events import emit_event
from prefect.runtime import flow_run

from flows.record.outcome import Event, Journal, Outcome
from flows.runtime.cancellation import heed_sigterm
from tasks.aws.task import log

__all__ = ["EMITTED", "JOURNAL", "emit", "record_outcome", "start_record"]

JOURNAL: Final[ContextVar[Journal | None]] = ContextVar("journal", default=None)
"""The journal of the command line that runs the flow; None when a worker does."""


EMITTED: Final = "told"
"""Attribute of log records that the journal has as well."""


def emit(kind: str, service: str | None, text: str, **details: Any) -> Event:
    """
    Say that something happened.

    Args:
        kind: As `Moment.kind`.
        service: The service it is about; None for the split or the monolith.
        text: One line for a person.
        **details: Other fields of the event.
    """
    event = (JOURNAL.get() or Journal()).add(kind, service, text, **details)
    level = logging.WARNING if event.verdict == "fail" else logging.INFO
    log().log(level, "%s%s", f"{service}: " if service else "", text, extra={EMITTED: True})
    if kind in ("stage", "weight", "drain"):
        emit_event(
            event=_event_name(event),
            resource={
                "prefect.resource.id": f"split.service.{service}"
                if service
                else "split.monolith.monolith",
                "prefect.resource.name": service or "monolith",
                "split.flow-run": str(flow_run.id or ""),
            },
            payload={"text": text, "weight": event.weight, **event.numbers},
        )
    return event


def _event_name(event: Event) -> str:
    """For example `split.service.settled`, `split.service.shifted`, `split.monolith.drain`."""
    if event.kind == "weight":
        return "split.service.shifted"
    return f"split.service.{event.text}" if event.kind == "stage" else "split.monolith.drain"


def record_outcome(outcome: Outcome) -> Outcome:
    """Leave the outcome to the command line that runs the flow, which may yet raise."""
    journal = JOURNAL.get()
    if journal:
        journal.outcome = outcome
    return outcome


def start_record() -> None:
    """
    Begin a run's journal, where no command line has, leave it the flow run's id, and let SIGTERM
    end it well.
    """
    journal = JOURNAL.get()
    if journal is None:
        journal = Journal()
        JOURNAL.set(journal)
    heed_sigterm()
    journal.flow_run_id = str(flow_run.id)
