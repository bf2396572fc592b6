"""The command line of a split: on a config, or as a rehearsal when there is none."""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from config.load import load_config
from config.split import SplitConfig
from flows.cli.command import common_parser, say
from flows.cli.rehearsal import client_paths, running_client, running_sandbox
from flows.cli.run import ReportFiles, WatchedRun, run_watched
from flows.plan.options import SplitOptions
from flows.plan.preflight import check_command
from flows.record.outcome import Outcome
from flows.runtime.private_server import start_private_server

__all__ = ["run_split_command"]

SplitFlow = Callable[[SplitConfig, SplitOptions, str | None], Awaitable[Outcome]]

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
        record = Path(folder) / "answers.jsonl"
        watched = WatchedRun(
            live=not arguments.json,
            verbose=arguments.verbose,
            report_files=ReportFiles(arguments.report, record),
        )
        return run_watched(arguments, watched, _Run(split, arguments, watched, record).work)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = common_parser(
        "split",
        "Move services out of the monolith, path by path, without one failed request. Without "
        "CONFIG it rehearses "
        "that on an embedded AWS with a sample application.",
        config_required=False,
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="only say what would happen; exit code 3 if anything would",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help="move this service only; repeatable",
    )
    parser.add_argument(
        "--no-drain", action="store_true", help="leave the monolith running in any case"
    )
    parser.add_argument(
        "--yes", action="store_true", help="agree beforehand to what the config wants approved"
    )
    parser.add_argument(
        "--adopt",
        metavar="NAME",
        action="append",
        default=[],
        help="take over what has this service's names; repeatable",
    )
    parser.add_argument(
        "--report", metavar="PATH", type=Path, default=_REPORT, help="where the HTML report goes"
    )
    rehearsal = parser.add_argument_group("rehearsal (without CONFIG)")
    rehearsal.add_argument(
        "--engine", choices=("auto", "docker", "process"), default="auto", help="container engine"
    )
    rehearsal.add_argument(
        "--rate", type=float, default=_RATE, help="requests a second of the live client"
    )
    rehearsal.add_argument(
        "--keep", action="store_true", help="leave the sandbox running at the end"
    )
    return parser.parse_args(argv)


class _Run:
    """
    One run of the command: on the config that was given, or on a rehearsal's.

    Args:
        split: The flow.
        arguments: Of the command line.
        watched: Who watches.
        record: File for the live client's answers.
    """

    def __init__(
        self, split: SplitFlow, arguments: argparse.Namespace, watched: WatchedRun, record: Path
    ) -> None:
        self._split, self._arguments, self._watched, self._record = (
            split,
            arguments,
            watched,
            record,
        )

    async def work(self) -> Outcome:
        """Load or rehearse, and run the flow."""
        if self._arguments.config:
            config = load_config(self._arguments.config)
            return await self._watch(
                config, f"{config.name}: split of {config.monolith.service} in {config.cluster}"
            )
        server = asyncio.create_task(start_private_server())
        async with running_sandbox(
            self._arguments.engine, say, keep=self._arguments.keep
        ) as sandbox:
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
                return await self._watch(
                    config, f"rehearsal of {config.name} on the {sandbox.engine} engine"
                )

    async def _watch(self, config: SplitConfig, title: str) -> Outcome:
        arguments = self._arguments
        options = SplitOptions(
            only=tuple(dict.fromkeys(arguments.only)),
            drain=not arguments.no_drain,
            yes=arguments.yes,
            adopt=tuple(dict.fromkeys(arguments.adopt)),
            plan_only=arguments.plan,
        )
        account_id = await check_command(config, options)
        names = [
            service.name
            for service in config.services
            if not options.only or service.name in options.only
        ]
        return await self._watched.watch(
            title,
            names,
            lambda: self._split(config, options, account_id),
            client=arguments.config is None,
        )
