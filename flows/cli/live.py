"""The live display of a run: a table on a terminal, plain lines elsewhere."""

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flows.cli.lines import dated_line, event_line, event_text
from flows.record.outcome import Event, Outcome
from flows.report.client_log import ClientLog
from flows.report.formats import duration
from flows.report.terminal import STAGE_STYLES, print_summary
from flows.report.timeline import FINAL_STAGES

__all__ = ["Screen"]

_REFRESHES_PER_SECOND: Final = 4
_TRAFFIC_EVERY: Final = 10.0
_PLAIN_WIDTH: Final = 100
_BAR_WIDTH: Final = 20


@dataclass
class _ServiceState:
    """The row of one service."""

    stage: str = "waiting"
    weight: int = 0
    healthy: int | None = None
    began: float | None = None
    ended: float | None = None
    message: str = ""

    def update(self, event: Event) -> None:
        """Show a new event."""
        self.began = self.began or event.at
        self.message = event_text(event).partition("\n")[0]
        self.healthy = event.numbers.get("healthy_targets", self.healthy)
        if event.weight is not None and event.kind == "weight":
            self.weight = event.weight
        if event.kind == "stage":
            self._begin_stage(event)

    def _begin_stage(self, event: Event) -> None:
        self.stage = event.text
        self.ended = None
        if event.text in FINAL_STAGES:
            self.ended = event.at

    @property
    def elapsed(self) -> str:
        """The time since its first event, or until its last stage."""
        if self.began is None:
            return ""

        until = self.ended or time.time()
        return duration(until - self.began)

    def cells(self) -> list[Text | ProgressBar]:
        """Its row, after the name."""
        return [
            Text(self.stage, style=STAGE_STYLES.get(self.stage, "cyan")),
            _bar(self.weight),
            Text(f"{self.weight:>3}%"),
            Text(self.health),
            Text(self.elapsed, justify="right"),
            Text(self.message, style="dim", no_wrap=True, overflow="ellipsis"),
        ]

    @property
    def health(self) -> str:
        """Its healthy targets, where they are known."""
        if self.healthy is None:
            return ""
        return f"{self.healthy} healthy"


class Screen:
    """
    Shows a run's events and, where there is one, the live client's record.

    Use it as a context manager: the terminal is restored however the block ends.

    Args:
        title: What the run is, in a few words.
        services: Names of the services in the order of their rows.
        stream: Where to write; stderr by default.
        live: Whether a live table is wanted; a stream that is no terminal gets plain lines all the
            same.
        client: The live client's record.
    """

    def __init__(
        self,
        title: str,
        *,
        services: Sequence[str],
        stream: TextIO | None = None,
        live: bool = True,
        client: ClientLog | None = None,
    ) -> None:
        self._title = title
        self._client = client
        self._console = _console(stream or sys.stderr)
        self._wants_live = live and not self._console.is_dumb_terminal
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._states = {name: _ServiceState() for name in services}
        self._began = time.time()
        self._traffic_shown = self._began

    def __enter__(self) -> Self:
        if self._wants_live and self._console.is_terminal:
            self._live = self._start_table()
        else:
            self._console.print(self._title, markup=False, highlight=False, soft_wrap=True)
        return self

    def _start_table(self) -> Live:
        # stdout stays as it is: with --json it belongs to the one JSON object.
        table = Live(
            get_renderable=self._render,
            console=self._console,
            refresh_per_second=_REFRESHES_PER_SECOND,
            redirect_stdout=False,
            transient=True,
        )
        table.start(refresh=True)
        return table

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def on_event(self, event: Event) -> None:
        """Show an event: a line that stays, and the service's row; not those of many details."""
        if event.is_detail:
            return
        with self._lock:
            width = self._update_row(event)

        self._print(event_line(event, width))
        if self._live is None:
            self._show_traffic_now_and_then()

    def _update_row(self, event: Event) -> int:
        """The row of the event's service; returns the width of the column of names."""
        name = event.service
        if name is not None:
            state = self._states.setdefault(name, _ServiceState())
            state.update(event)
        return max(map(len, [*self._states, "monolith"]))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the live table off the terminal while the block asks a person there."""
        live = self._live
        if live is None:
            yield
            return
        live.stop()
        try:
            yield
        finally:
            live.start(refresh=True)

    def line(self, text: str, style: str = "dim") -> None:
        """
        Write a line that is no event, such as a library's log; it stays above the live table.

        Args:
            text: One line or several.
            style: How rich shows it on a terminal.
        """
        self._print(dated_line(time.time(), "", Text(text, style)))

    def summary(self, outcome: Outcome, report: Path | None = None) -> None:
        """
        Print what the run came to: services, stages, traffic, failures, next steps.

        Args:
            outcome: With the run's events.
            report: The HTML report, where one was written.
        """
        tally = None
        if self._client:
            self._client.poll()
            tally = self._client.tally

        print_summary(
            self._console,
            outcome,
            outcome.events,
            report=report,
            tally=tally,
        )

    def _show_traffic_now_and_then(self) -> None:
        with self._lock:
            now = time.time()
            if self._client is None or now - self._traffic_shown < _TRAFFIC_EVERY:
                return

            self._traffic_shown = now
            line = dated_line(now, "", _traffic(self._client))

        self._print(line)

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)

    def _render(self) -> Group:
        with self._lock:
            parts: list[Text | Table] = [self._heading(), self._services()]
            if self._client:
                parts.append(_traffic(self._client))

        return Group(*parts)

    def _heading(self) -> Text:
        elapsed = duration(time.time() - self._began)
        return Text(f"{self._title}  {elapsed}", style="bold")

    def _services(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, state in self._states.items():
            table.add_row(Text(name, style="bold"), *state.cells())
        return table


def _bar(weight: int) -> ProgressBar:
    return ProgressBar(
        total=100,
        completed=weight,
        width=_BAR_WIDTH,
        complete_style="cyan",
        finished_style="green",
    )


def _traffic(client: ClientLog) -> Text:
    client.poll()
    return Text.assemble(
        f"traffic: {client.tally.requests:,} requests, ",
        _failed(client.tally.failed),
        f", {client.rate:.0f}/s",
        (_shares(client), "dim"),
    )


def _shares(client: ClientLog) -> str:
    shares = client.shares()
    return "".join(f"  {backend} {share:.0%}" for backend, share in shares.items())


def _failed(count: int) -> Text:
    if count:
        return Text(f"{count:,} failed", style="bold red")
    return Text("none failed", style="green")


def _console(stream: TextIO) -> Console:
    """A console; of a fixed width where there is no terminal to measure."""
    if stream.isatty():
        return Console(file=stream, highlight=False)

    columns = os.environ.get("COLUMNS")
    width = int(columns) if columns else _PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False)
