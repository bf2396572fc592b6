"""The command line of a split: on a config, or as a rehearsal when there is none."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from config.errors import InvalidConfig, PreflightFailed
from config.load import load_config
from config.split import SplitConfig
from flows.command import CHANGES_PLANNED, common_parser, exit_code, print_json, run_command
from flows.options import SplitOptions
from flows.outcome import Journal, Outcome
from flows.plan_table import print_plan
from flows.preflight import check_names
from flows.rehearsal import client_paths, running_client, running_sandbox
from flows.report.answers import AnswerLog, read_answers
from flows.report.page import write_report
from flows.screen import Screen
from flows.settled_records import await_records

__all__ = ["run_split_command"]

SplitFlow = Callable[[SplitConfig, SplitOptions], Awaitable[Outcome]]

_RATE: Final = 250.0
_HEADER: Final = "X-Served-By"
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
    options = SplitOptions(
        only=tuple(dict.fromkeys(arguments.only)),
        drain=not arguments.no_drain,
        yes=arguments.yes,
        adopt=tuple(dict.fromkeys(arguments.adopt)),
        plan_only=arguments.plan,
    )
    run = _Run(split, arguments, options)
    outcome, error = run_command(run.work, run.journal)
    run.finish(outcome)
    if arguments.json:
        print_json(outcome, **({"plan": run.journal.plan} if options.plan_only else {}))
    if error is None and outcome.status == "planned":
        return CHANGES_PLANNED
    return exit_code(error)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = common_parser(
        "split",
        "Move services out of the monolith, path by path, without one failed request. Without CONFIG it rehearses "
        "that on an embedded AWS with a sample application.",
        config_required=False,
    )
    parser.add_argument("--plan", action="store_true", help="only say what would happen; exit code 3 if anything would")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="move this service only; repeatable")
    parser.add_argument("--no-drain", action="store_true", help="leave the monolith running in any case")
    parser.add_argument("--yes", action="store_true", help="agree beforehand to what the config wants approved")
    parser.add_argument(
        "--adopt", metavar="NAME", action="append", default=[], help="take over what has this service's names; repeatable"
    )
    parser.add_argument("--report", metavar="PATH", type=Path, default=_REPORT, help="where the HTML report goes")
    rehearsal = parser.add_argument_group("rehearsal (without CONFIG)")
    rehearsal.add_argument("--engine", choices=("auto", "docker", "process"), default="auto", help="container engine")
    rehearsal.add_argument("--rate", type=float, default=_RATE, help="requests a second of the live client")
    rehearsal.add_argument("--keep", action="store_true", help="leave the sandbox running at the end")
    return parser.parse_args(argv)


class _Run:
    """One run of the command, with what is watched of it."""

    def __init__(self, split: SplitFlow, arguments: argparse.Namespace, options: SplitOptions) -> None:
        self._split, self._arguments, self._options = split, arguments, options
        self._screen: Screen | None = None
        self._record: Path | None = None
        self._began = time.time()
        self.journal = Journal(self._show)

    def _show(self, moment: object) -> None:
        if self._screen:
            self._screen.on_moment(moment)

    async def work(self, journal: Journal) -> Outcome:
        """The run itself."""
        _ = journal
        if self._arguments.config:
            config = load_config(self._arguments.config)
            return await self._run_flow(config, None)
        return await self._rehearse()

    async def _rehearse(self) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="split-rehearsal-") as folder:
            record = Path(folder) / "answers.jsonl"
            async with running_sandbox(self._arguments.engine, keep=self._arguments.keep) as sandbox:
                config = load_config(Path(sandbox.config))
                paths = client_paths(config)
                async with running_client(sandbox.alb_url, paths, self._arguments.rate, record, _HEADER):
                    return await self._run_flow(config, AnswerLog(record))
    ...
