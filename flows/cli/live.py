"""What a person sees while a run is going on: a live table on a terminal, plain lines elsewhere."""

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

from flows.record.outcome import Event, Outcome
from flows.report.client_log import ClientLog
from flows.report.formats import clock, duration
from flows.report.terminal import STAGE_STYLES, print_summary
from flows.report.timeline import FINAL_STAGES

__all__ = ["Screen", "log_line"]

_REFRESHES_PER_SECOND: Final = 4
_TRAFFIC_EVERY: Final = 10.0
_PLAIN_WIDTH: Final = 100
_KIND_STYLES: Final = {"weight": "cyan", "drain": "magenta", "stage": "bold"}
_VERDICT_STYLES: Final = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}


@dataclass
class _ServiceState:
    """What is known of one service."""

    stage: str = "waiting"
    weight: int | None = None
    healthy: int | None = None
    began: float | None = None
    ended: float | None = None
    message: str = ""

    def take(self, event: Event) -> None:
        """Take in an event."""
        self.began = self.began or event.time
        self.message = log_text(event).partition("\n")[0]
        self.healthy = event.numbers.get("healthy_targets", self.healthy)
        if event.kind == "weight":
            self.weight = event.weight
        if event.kind == "stage":
            self.stage = event.text
            self.ended = event.time if event.text in FINAL_STAGES else None

    @property
    def elapsed(self) -> str:
        """How long it has been worked on."""
        return duration((self.ended or time.time()) - self.began) if self.began else ""


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
        answers: The live client's record; it can be given later.
    """

    def __init__(
        self,
        title: str,
        *,
        services: Sequence[str],
        stream: TextIO | None = None,
        live: bool = True,
        answers: ClientLog | None = None,
    ) -> None:
        self.answers = answers
        self._title, self._wants_live = title, live
        self._states = {name: _ServiceState() for name in services}
        self._console = _console(stream or sys.stderr)
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._began = self._traffic_shown = time.time()

    def __enter__(self) -> Self:
        if self._wants_live and self._console.is_terminal and not self._console.is_dumb_terminal:
            # stdout stays as it is: with --json it belongs to the one JSON object.
            self._live = Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=_REFRESHES_PER_SECOND,
                redirect_stdout=False,
                transient=True,
            )
            self._live.start(refresh=True)
        else:
            self._console.print(self._title, markup=False, highlight=False, soft_wrap=True)
        return self

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
        """Show an event: a line that stays, and the service's row."""
        with self._lock:
            if event.service is not None:
                self._states.setdefault(event.service, _ServiceState()).take(event)
            width = max((len(name) for name in (*self._states, "monolith")), default=0)
        self._print(log_line(event, width))
        if self._live is None:
            self._show_traffic_now_and_then()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the live table off the terminal while the block talks to a person there."""
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
        Write a line of somebody else's, such as a library's log, that stays above the live table.

        Args:
            text: One line or several.
            style: How rich shows it on a terminal.
        """
        self._print(_dated(time.time(), "", Text(text, style)))

    def summary(
        self,
        outcome: Outcome,
        events: Sequence[Event],
        report_path: Path | None = None,
        engine: str | None = None,
    ) -> None:
        """
        Print what the run came to: services, stages, who answered, failures,
        where to look next.
        """
        if self.answers:
            self.answers.poll()
        tally = self.answers.tally if self.answers else None
        print_summary(
            self._console, outcome, events, report=report_path, engine=engine, tally=tally
        )

    def _show_traffic_now_and_then(self) -> None:
        with self._lock:
            now = time.time()
            if self.answers is None or now - self._traffic_shown < _TRAFFIC_EVERY:
                return
            self._traffic_shown = now
            line = _dated(now, "", self._traffic(self.answers))
        self._print(line)

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)

    def _render(self) -> Group:
        with self._lock:
            parts: list[Text | Table] = [
                Text(f"{self._title}  {duration(time.time() - self._began)}", style="bold")
            ]
            parts.append(self._services())
            if self.answers:
                parts.append(self._traffic(self.answers))
        return Group(*parts)

    def _services(self) -> Table:
        table = Table.grid(padding=(0, 2))
        knows_health = any(state.healthy is not None for state in self._states.values())
        for name, state in self._states.items():
            weight = state.weight or 0
            cells: list[Text | ProgressBar] = [
                Text(name, style="bold"),
                Text(state.stage, style=STAGE_STYLES.get(state.stage, "cyan")),
                ProgressBar(
                    total=100,
                    completed=weight,
                    width=20,
                    complete_style="cyan",
                    finished_style="green",
                ),
                Text(f"{weight:>3} %"),
            ]
            if knows_health:
                cells.append(Text("" if state.healthy is None else f"{state.healthy} healthy"))
            table.add_row(
                *cells,
                Text(state.elapsed, justify="right"),
                Text(state.message, style="dim", no_wrap=True, overflow="ellipsis"),
            )
        return table

    def _traffic(self, answers: ClientLog) -> Text:
        answers.poll()
        tally = answers.tally
        failed = f"{tally.failed:,} failed" if tally.failed else "none failed"
        text = Text(f"traffic: {tally.requests:,} requests, ")
        text.append(failed, style="bold red" if tally.failed else "green")
        text.append(f", {answers.rate:.0f}/s")
        for backend, share in answers.shares().items():
            text.append(f"  {backend} {share:.0%}", style="dim")
        return text


def log_text(event: Event) -> str:
    """What an event says, with its verdict and its error."""
    error = event.numbers.get("error") if event.kind == "stage" else None
    text = f"{event.text}: {error}" if error else event.text
    return (
        f"{event.verdict.upper() if event.verdict == 'fail' else event.verdict}  {text}"
        if event.verdict
        else text
    )


def log_line(event: Event, width: int = 0) -> Text:
    """
    An event as a line of a log, e.g. `12:03:04 users  weight 10 %`.

    Args:
        event: What happened.
        width: Characters of the column with the service's name.
    """
    style = _VERDICT_STYLES.get(event.verdict or "") or _KIND_STYLES.get(event.kind, "")
    if event.kind == "stage":
        style = STAGE_STYLES.get(event.text, style)
    return _dated(
        event.time, f"{event.service or 'monolith':<{width}}  ", Text(log_text(event), style)
    )


def _dated(event: float, head: str, body: Text) -> Text:
    """
    Time, head and body; further lines of the body stand under its first, with their own
    indentation.
    """
    lines = body.split("\n")
    indentation = "\n" + " " * (9 + len(head))
    return Text.assemble((f"{clock(event)} ", "dim"), (head, "bold"), Text(indentation).join(lines))


def _console(stream: TextIO) -> Console:
    """A console of a fixed width where there is no terminal that could tell its own."""
    width = None if stream.isatty() else int(os.environ.get("COLUMNS") or _PLAIN_WIDTH)
    return Console(file=stream, width=width, highlight=False)
