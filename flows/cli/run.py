"""The one runner of the commands: a run from its start to summary, JSON object and exit code."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import botocore.exceptions
from prefect import tags

from config.errors import BadInput, SplitterError
from config.service import ServiceConfig
from flows.cli.arguments import print_json
from flows.cli.live import Screen
from flows.cli.log import log_on_screen
from flows.cli.plan_table import print_plan
from flows.plan.owner import TAG
from flows.record.journal import Journal, recording_in
from flows.record.outcome import Outcome, PlanRefused, RunFailed
from flows.report.client_log import ClientLog, LoggedRequest, read_client_log, summarize
from flows.report.html.page import write_report
from flows.runtime.cancellation import cancel_once
from flows.runtime.private_server import (
    await_private_server,
    awaiting_records,
    running_private_server,
)
from flows.runtime.terminal import stepping_aside
from tasks.aws.explain import explain_error

__all__ = ["DONE", "FAILED", "REFUSED", "ReportFiles", "Run", "run_command", "say"]

DONE: Final = 0
FAILED: Final = 1
REFUSED: Final = 2
CHANGES_PLANNED: Final = 3

_EXIT_CODES: Final = {
    "completed": DONE,
    "unchanged": DONE,
    "failed": FAILED,
    "refused": REFUSED,
    "planned": CHANGES_PLANNED,
}


@dataclass(frozen=True)
class ReportFiles:
    """Where the HTML report goes, and what it is made from beside the run's events."""

    report: Path
    """Where the HTML report goes."""
    record: Path
    """File of the live client's record; there is none where no client runs."""
    title: str
    """Heading of the report."""


class Run:
    """
    One run of a command.

    Args:
        live: Whether a live table is wanted; never where stdout is for a program.
        verbose: Whether Prefect's own log lines are wanted too.
        files: For a run that writes a report.
    """

    def __init__(self, *, live: bool, verbose: bool, files: ReportFiles | None) -> None:
        self.journal = Journal()
        self._live = live
        self._verbose = verbose
        self._files = files
        self._began = time.time()
        self._screen: Screen | None = None

    async def watch(
        self, title: str, services: Iterable[ServiceConfig], flow: Callable[[], Awaitable[Outcome]]
    ) -> Outcome:
        """
        Run a flow under the screen, on a private Prefect server unless PREFECT_API_URL names one.

        Args:
            title: What the run is, in a few words.
            services: Those that the run works on, in the order of their rows.
            flow: Calls the flow.
        """
        async with running_private_server():
            await await_private_server()
            record = self._record
            self._screen = Screen(
                title,
                services=[service.name for service in services],
                live=self._live,
                client=ClientLog(record) if record else None,
            )
            with self._shown_on(self._screen):
                async with awaiting_records():
                    return await flow()

    @contextmanager
    def _shown_on(self, screen: Screen) -> Iterator[None]:
        with (
            screen,
            log_on_screen(screen, verbose=self._verbose),
            stepping_aside(screen.paused),
            self.journal.shown_by(screen.on_event),
            tags(TAG),  # by which the crash automation of a user's own server finds the run
        ):
            yield

    @property
    def _record(self) -> Path | None:
        """The live client's record, where a client runs."""
        if self._files and self._files.record.exists():
            return self._files.record
        return None

    def finish(self, outcome: Outcome, *, plan: bool) -> Outcome:
        """
        Add events and traffic to the outcome, and show it: as plan or as summary, with the report.

        Args:
            outcome: What the run came to.
            plan: Whether the run was only to show its plan.
        """
        requests = self._requests()
        outcome = outcome.model_copy(
            update={
                "events": tuple(self.journal.events),
                "traffic": summarize(requests) if requests else None,
            }
        )
        self._show(outcome, requests, plan=plan)
        return outcome

    def _show(self, outcome: Outcome, requests: Sequence[LoggedRequest], *, plan: bool) -> None:
        if self._screen and plan:
            print_plan(outcome)
        elif self._screen:
            report = self._write_report(outcome, requests)
            self._screen.summary(outcome, report)
        elif outcome.error:
            say(outcome.error)

    def _requests(self) -> list[LoggedRequest]:
        """What the live client recorded."""
        record = self._record
        return list(read_client_log(record)) if record else []

    def _write_report(self, outcome: Outcome, requests: Sequence[LoggedRequest]) -> Path | None:
        """Write the HTML report, where the run has one; returns its path."""
        if self._files is None or not outcome.events:
            return None

        path = self._files.report
        try:
            write_report(
                path,
                outcome,
                outcome.events,
                requests,
                title=self._files.title,
                started=self._began,
                ended=time.time(),
            )
        except OSError as error:
            # The run has ended the same way whether or not its report can be kept.
            say(f"--report: cannot write {path} ({error}); choose another path")
            return None
        return path


Work = Callable[[Run], Awaitable[Outcome]]
"""Loads the config, checks it, and calls `Run.watch` with the flow."""


def run_command(
    arguments: argparse.Namespace, work: Work, *, files: ReportFiles | None = None
) -> int:
    """
    Run a command to its end, also when it is interrupted, and show what it came to.

    SIGINT and SIGTERM cancel the work, which then brings traffic back to where it is safe.

    Args:
        arguments: Of the command line: `json`, `verbose`, and where the command has it `plan`.
        work: What the command does.
        files: For a command that writes a report.

    Returns:
        The exit code.
    """
    run = Run(
        live=not arguments.json,
        verbose=arguments.verbose,
        files=files,
    )
    outcome = _run_to_end(run, work)
    outcome = run.finish(outcome, plan=getattr(arguments, "plan", False))
    if arguments.json:
        print_json(outcome)
    return _EXIT_CODES[outcome.status]


def _run_to_end(run: Run, work: Work) -> Outcome:
    try:
        with recording_in(run.journal):
            return asyncio.run(_interruptible(run, work))
    except asyncio.CancelledError:
        return Outcome.failed("interrupted; run the same command again to go on")
    except (PlanRefused, RunFailed) as error:
        return error.outcome
    except BadInput as error:
        return Outcome.refused(str(error))
    except SplitterError as error:
        return Outcome.failed(str(error))
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        return Outcome.failed(explain_error(error))


async def _interruptible(run: Run, work: Work) -> Outcome:
    task = asyncio.current_task()
    if task is not None:
        _cancel_on_signals(task)
    return await work(run)


def _cancel_on_signals(task: "asyncio.Task[Any]") -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, cancel_once, task)


def say(text: str) -> None:
    """A line for a person, on stderr."""
    print(text, file=sys.stderr, flush=True)
