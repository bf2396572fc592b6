"""The journal of a run: every event, in order."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from flows.record.outcome import Event

__all__ = ["Journal", "current_journal", "recording_in", "start_journal"]


class Journal:
    """Collects a run's events, and shows each to a listener, where there is one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        """Oldest first."""
        self._listener: Callable[[Event], None] | None = None

    def add(self, kind: Any, service: str | None, text: str, **details: Any) -> Event:
        """Record something that happened just now."""
        event = Event(at=time.time(), kind=kind, service=service, text=text, **details)
        self.adopt([event])
        return event

    def adopt(self, events: Iterable[Event]) -> None:
        """Record what happened elsewhere, in another worker's run."""
        for event in events:
            self.events.append(event)
            if self._listener:
                self._listener(event)

    @contextmanager
    def shown_by(self, listener: Callable[[Event], None]) -> Iterator[None]:
        """Call a listener, such as a screen's, with each new event while the block runs."""
        self._listener = listener
        try:
            yield
        finally:
            self._listener = None


_JOURNAL: Final[ContextVar[Journal | None]] = ContextVar("journal", default=None)
# A context variable, because events come from deep inside subflows and Prefect tasks, and a journal
# cannot travel there as a parameter: Prefect stores parameters as JSON. It only receives events;
# results are returned.


def current_journal() -> Journal:
    """The journal of the run that is going on; outside of a run one that nothing reads."""
    return _JOURNAL.get() or Journal()


def start_journal() -> None:
    """Give the run that begins a journal, unless a command line has."""
    if _JOURNAL.get() is None:
        _JOURNAL.set(Journal())


@contextmanager
def recording_in(journal: Journal) -> Iterator[Journal]:
    """Record what happens in the block in this journal."""
    token = _JOURNAL.set(journal)
    try:
        yield journal
    finally:
        _JOURNAL.reset(token)
