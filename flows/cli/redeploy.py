"""The command line of a redeploy: on a config, or as a rehearsal when there is none."""

import argparse
import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from config.load import load_config
from config.service import ServiceConfig
from config.split import SplitConfig
from config.traffic import AllAtOnce
from flows.cli.command import common_parser, say
from flows.cli.rehearsal import client_paths, running_client, running_sandbox
from flows.cli.run import ReportFiles, WatchedRun, run_watched
from flows.plan.options import RedeployOptions, SplitOptions
from flows.plan.preflight import check_command
from flows.record.outcome import Outcome
from flows.runtime.private_server import start_private_server
from flows.split import split

__all__ = ["run_redeploy_command"]

RedeployFlow = Callable[[SplitConfig, RedeployOptions, str | None], Awaitable[Outcome]]

_RATE: Final = 100.0
_REPORT: Final = Path("redeploy-report.html")


def run_redeploy_command(redeploy: RedeployFlow, argv: Sequence[str] | None = None) -> int:
    """
    Run the command to its end.

    Args:
        redeploy: The flow.
        argv: Arguments; the program's own when None.

    Returns:
        The exit code.
    """
    arguments = _parse(argv)
    with tempfile.TemporaryDirectory(prefix="redeploy-") as name:
        folder = Path(name)
        report_files = (
            None
            if arguments.config
            else ReportFiles(_REPORT, folder / "answers.jsonl", title="Redeploy")
        )
        watched = WatchedRun(
            live=not arguments.json, verbose=arguments.verbose, report_files=report_files
        )
        run = _Run(redeploy, arguments, watched, folder)
        return run_watched(arguments, watched, run.on_config if arguments.config else run.rehearsal)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = common_parser(
        "redeploy",
        "Build and roll out what has changed in services that are carved out already. Without "
        "CONFIG it rehearses that "
        "on an embedded AWS with a sample application, which it splits first.",
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
        help="redeploy this service only; repeatable",
    )
    rehearsal = parser.add_argument_group("rehearsal (without CONFIG)")
    rehearsal.add_argument(
        "--engine", choices=("auto", "docker", "process"), default="auto", help="container engine"
    )
    return parser.parse_args(argv)


class _Run:
    """
    One run of the command.

    Args:
        redeploy: The flow.
        arguments: Of the command line.
        watched: Who watches.
        folder: For what a rehearsal writes.
    """

    def __init__(
        self,
        redeploy: RedeployFlow,
        arguments: argparse.Namespace,
        watched: WatchedRun,
        folder: Path,
    ) -> None:
        self._redeploy, self._arguments, self._watched, self._folder = (
            redeploy,
            arguments,
            watched,
            folder,
        )
        self._options = RedeployOptions(
            only=tuple(dict.fromkeys(arguments.only)), plan_only=arguments.plan
        )

    async def on_config(self) -> Outcome:
        """Redeploy what the config names."""
        config = load_config(self._arguments.config)
        account_id = await check_command(config, SplitOptions(only=self._options.only))
        names = [
            item.name
            for item in config.services
            if not self._options.only or item.name in self._options.only
        ]
        title = f"{config.name}: redeploy in {config.cluster}"
        return await self._watched.watch(
            title, names, lambda: self._redeploy(config, self._options, account_id)
        )

    async def rehearsal(self) -> Outcome:
        """Split the forum, change one of its services, and redeploy it."""
        server = asyncio.create_task(start_private_server())
        async with running_sandbox(self._arguments.engine, say) as sandbox:
            await server
            config = self._own_copy(load_config(Path(sandbox.config)))
            account_id = await check_command(config, SplitOptions(only=self._options.only))
            client = running_client(
                sandbox.alb_url,
                client_paths(config),
                _RATE,
                self._folder / "answers.jsonl",
                config.listener.backend_header or "",
            )
            async with client:
                title = f"rehearsal of a redeploy of {config.name} on the {sandbox.engine} engine"
                names = [service.name for service in config.services]
                return await self._watched.watch(
                    title,
                    names,
                    lambda: self._split_and_redeploy(config, account_id),
                    client=True,
                )

    def _own_copy(self, config: SplitConfig) -> SplitConfig:
        """The sample with sources of its own, which may be changed, and quick steps."""
        traffic = config.traffic.model_copy(update={"shift": AllAtOnce(bake=1)})
        services = tuple(self._copy_of(service) for service in config.services)
        return config.model_copy(update={"services": services, "traffic": traffic})

    def _copy_of(self, service: ServiceConfig) -> ServiceConfig:
        if service.build is None:
            return service
        context = shutil.copytree(service.build.context, self._folder / service.name)
        return service.model_copy(
            update={"build": service.build.model_copy(update={"context": context})}
        )

    async def _split_and_redeploy(self, config: SplitConfig, account_id: str) -> Outcome:
        await split(config, SplitOptions(drain=False), account_id)
        changed = (
            config.service(self._options.only[0]) if self._options.only else config.services[0]
        )
        if changed.build:
            with (changed.build.context / "app.py").open("a", encoding="utf-8") as source:
                source.write("\n# Changed for the rehearsal.\n")
        return await self._redeploy(config, self._options, account_id)
