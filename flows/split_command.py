"""The command line of a split: on a config, or as a rehearsal when there is none."""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from config.errors import PreflightFailed
from config.load import load_config
from config.split import SplitConfig
from flows.command import CHANGES_PLANNED, common_parser, exit_code, print_json, run_command, say
from flows.console_log import log_on_screen
from flows.options import SplitOptions
from flows.outcome import Journal, Moment, Outcome
from flows.plan_table import print_plan
from flows.preflight import check_names
from flows.rehearsal import client_paths, running_client, running_sandbox
from flows.report.answers import AnswerLog, read_answers, summarize
from flows.report.page import write_report
from flows.run_records import await_records, on_private_server, start_private_server
from flows.screen import Screen

__all__ = ["run_split_command"]

SplitFlow = Callable[[SplitConfig, SplitOptions], Awaitable[Outcome]]

_RATE: Final = 250.0
_REPORT: Final = Path("split-report.html")


def run_split_command(split: SplitFlow, argv: Sequence[str] | None = None) -> int:
    """
    Run the command to its end.

    Args:
        split: The flow.
        argv: Arguments; the program's own when None.

    Returns:
        The exit code.
    """
    arguments = _parse(argv)
    with tempfile.TemporaryDirectory(prefix="split-") as folder:
        run = _Run(split, arguments, Path(folder) / "answers.jsonl")
        outcome, error = run_command(run.work, run.journal)
        outcome = run.sum_up(outcome)
    if arguments.json:
        print_json(outcome, **({"plan": run.journal.plan} if arguments.plan else {}))
    return CHANGES_PLANNED if error is None and outcome.status == "planned" else exit_code(error)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = common_parser(
        "split",
        "Move services out of the monolith, path by path, without one failed request. Without CONFIG it rehearses "
        "that on an embedded AWS with a sample application.",
        config_required=False,
    )
    parser.add_argument("--plan", action="store_true", help="only say what would happen; exit code 3 if anything would")
    parser.add_argument(
        "--only", metavar="NAME", action="append", default=[], help="move this service only; repeatable"
    )
    parser.add_argument("--no-drain", action="store_true", help="leave the monolith running in any case")
    parser.add_argument("--yes", action="store_true", help="agree beforehand to what the config wants approved")
    parser.add_argument(
        "--adopt",
        metavar="NAME",
        action="append",
        default=[],
        help="take over what has this service's names; repeatable",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show Prefect's own log lines too")
    parser.add_argument("--report", metavar="PATH", type=Path, default=_REPORT, help="where the HTML report goes")
    rehearsal = parser.add_argument_group("rehearsal (without CONFIG)")
    rehearsal.add_argument("--engine", choices=("auto", "docker", "process"), default="auto", help="container engine")
    rehearsal.add_argument("--rate", type=float, default=_RATE, help="requests a second of the live client")
    rehearsal.add_argument("--keep", action="store_true", help="leave the sandbox running at the end")
    return parser.parse_args(argv)


class _Run:
    """
    One run of the command, and who watches it.

    Args:
        split: The flow.
        arguments: Of the command line.
        record: File for the live client's answers.
    """

    def __init__(self, split: SplitFlow, arguments: argparse.Namespace, record: Path) -> None:
        self._split, self._arguments, self._record = split, arguments, record
        self._began = time.time()
        self._screen: Screen | None = None
        self.journal = Journal(self._show)

    def _show(self, moment: Moment) -> None:
        if self._screen:
            self._screen.on_moment(moment)

    async def work(self) -> Outcome:
        """On the config that was given, or on a rehearsal's."""
        if self._arguments.config:
            config = load_config(self._arguments.config)
            return await self._watch(config, f"{config.name}: split of {config.monolith.service} in {config.cluster}")
        server = asyncio.create_task(start_private_server())
        async with running_sandbox(self._arguments.engine, say, keep=self._arguments.keep) as sandbox:
            await server
            config = load_config(Path(sandbox.config))
            client = running_client(
                sandbox.alb_url,
                client_paths(config),
                self._arguments.rate,
                self._record,
                config.listener.backend_header or "",
            )
            async with client:
                return await self._watch(config, f"rehearsal of {config.name} on the {sandbox.engine} engine")

    async def _watch(self, config: SplitConfig, title: str) -> Outcome:
        arguments = self._arguments
        options = SplitOptions(
            only=tuple(dict.fromkeys(arguments.only)),
            drain=not arguments.no_drain,
            yes=arguments.yes,
            adopt=tuple(dict.fromkeys(arguments.adopt)),
            plan_only=arguments.plan,
        )
        findings = check_names(config, [*options.only, *options.adopt])
        if findings:
            raise PreflightFailed("\n".join(findings))
        answers = None if arguments.config else AnswerLog(self._record)
        names = [service.name for service in config.services if not options.only or service.name in options.only]
        self._screen = Screen(title, services=names, live=not arguments.json, answers=answers)
        with self._screen, log_on_screen(self._screen, verbose=arguments.verbose):
            try:
                return await self._split(config, options)
            finally:
                if self.journal.flow_run_id and on_private_server():
                    await await_records(self.journal.flow_run_id)

    def sum_up(self, outcome: Outcome) -> Outcome:
        """Add what the client saw; show plan or summary, and write the report."""
        answers = list(read_answers(self._record)) if self._record.exists() else []
        if answers:
            outcome = outcome.model_copy(update={"traffic": summarize(answers)})
        if self._screen is None:
            say(str(outcome.error))
            return outcome
        if self._arguments.plan:
            print_plan(self.journal.plan, outcome)
            return outcome
        report = None
        if self.journal.moments:
            report = self._arguments.report
            write_report(
                report, outcome, self.journal.moments, answers, title="Split", started=self._began, ended=time.time()
            )
        self._screen.summary(outcome, self.journal.moments, report)
        return outcome
