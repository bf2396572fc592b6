"""
A flow run under a command line, and who watches it: the live screen, the log, the summary, the one
JSON object.
"""

import argparse
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import tags

from flows.cli.command import CHANGES_PLANNED, exit_code, print_json, run_command, say
from flows.cli.live import Screen
from flows.cli.log import log_on_screen
from flows.cli.plan_table import print_plan
from flows.plan.owner import TAG
from flows.record.outcome import Event, Journal, Outcome
from flows.report.client_log import ClientLog, LoggedRequest, read_client_log, summarize
from flows.report.html.page import write_report
from flows.runtime.private_server import await_records, on_private_server, start_private_server

__all__ = ["ReportFiles", "WatchedRun", "run_watched"]


@dataclass(frozen=True)
class ReportFiles:
    """What the report of a run rests on, beside its events."""

    report: Path
    """Where the HTML report goes."""
    record: Path
    """File of the live client's answers; it need not be there."""
    title: str = "Split"
    """Heading of the report."""


class WatchedRun:
    """
    One run of a command.

    Args:
        live: Whether a live table is wanted; never where stdout is for a program.
        verbose: Whether Prefect's own log lines are wanted too.
        report_files: Where the client's answers are, and where the report goes; None for a run
            without either.
    """

    def __init__(
        self, *, live: bool, verbose: bool, report_files: ReportFiles | None = None
    ) -> None:
        self._live, self._verbose, self._evidence = live, verbose, report_files
        self._began = time.time()
        self._screen: Screen | None = None
        self.journal = Journal(self._show)

    def _show(self, event: Event) -> None:
        if self._screen:
            self._screen.on_event(event)

    async def watch(
        self,
        title: str,
        services: Sequence[str],
        flow_run: Callable[[], Awaitable[Outcome]],
        *,
        client: bool = False,
    ) -> Outcome:
        """
        Run a flow under the screen, and wait for its records.

        Args:
            title: What the run is, in a few words.
            services: Names in the order of their rows.
            flow_run: Starts the flow.
            client: Whether a live client writes its answers down meanwhile.
        """
        await start_private_server()
        answers = ClientLog(self._evidence.record) if client and self._evidence else None
        self._screen = Screen(title, services=services, live=self._live, answers=answers)
        self.journal.pause_screen = self._screen.paused
        with self._screen, log_on_screen(self._screen, verbose=self._verbose):
            try:
                with tags(TAG):  # what the crash automation of a server of the user's looks for
                    return await flow_run()
            finally:
                if self.journal.flow_run_id and on_private_server():
                    await await_records(self.journal.flow_run_id)

    def sum_up(self, outcome: Outcome, *, plan: bool) -> Outcome:
        """Add what the client saw; show plan or summary, and write the report."""
        report_files = self._evidence
        answers = (
            list(read_client_log(report_files.record))
            if report_files and report_files.record.exists()
            else []
        )
        if answers:
            outcome = outcome.model_copy(update={"traffic": summarize(answers)})
        if self._screen is None:
            say(str(outcome.error))
        elif plan:
            print_plan(self.journal.plan, outcome)
        else:
            self._screen.summary(outcome, self.journal.events, self._report(outcome, answers))
        return outcome

    def _report(self, outcome: Outcome, answers: Sequence[LoggedRequest]) -> Path | None:
        if self._evidence is None or not self.journal.events:
            return None
        report, title = self._evidence.report, self._evidence.title
        try:
            write_report(
                report,
                outcome,
                self.journal.events,
                answers,
                title=title,
                started=self._began,
                ended=time.time(),
            )
        except OSError as error:
            # What the run came to stands whether or not its report can be kept.
            say(f"--report: {report} cannot be written ({error}); give --report a path that can")
            return None
        return report


def run_watched(
    arguments: argparse.Namespace, run: WatchedRun, work: Callable[[], Awaitable[Outcome]]
) -> int:
    """
    Run a command to its end, and say what it came to.

    Args:
        arguments: Of the command line; `json`, and where the command has it `plan`.
        run: Who watches.
        work: The command; it calls `run.watch`.

    Returns:
        The exit code.
    """
    plan = getattr(arguments, "plan", False)
    outcome, error = run_command(work, run.journal)
    outcome = run.sum_up(outcome, plan=plan)
    if arguments.json:
        print_json(outcome, **({"plan": run.journal.plan} if plan else {}))
    return CHANGES_PLANNED if error is None and outcome.status == "planned" else exit_code(error)
