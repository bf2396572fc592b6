"""
A Prefect server with its UI, a work pool and a worker on this machine, with every deployment
registered.

    python -m flows.serve [--port N] [--data DIR] [--database auto|postgresql|sqlite]

Runs until Ctrl-C or SIGTERM, and then ends everything that it started.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from flows.cli.run import DONE, FAILED, REFUSED, say
from flows.runtime.process import PYTHON, Program, ProgramEnded, await_true
from flows.serve.database import Database, NoPostgres, running_database

__all__ = ["main"]

_POOL: Final = "local-process"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    arguments = _read_arguments(argv)
    try:
        arguments.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        say(f"--data: cannot create {arguments.data}: {error.strerror}; choose another folder")
        return REFUSED
    return _serve(_Serving(arguments.port, arguments.data.absolute()), arguments.database)


def _serve(serving: "_Serving", database: str) -> int:
    """Serve until a signal; returns the exit code."""
    try:
        asyncio.run(_run_until_signal(serving, database))
    except NoPostgres as error:
        say(f"--database: PostgreSQL is not available: {error}; or leave --database out")
        return REFUSED
    except ProgramEnded as error:
        say(str(error))
        return FAILED
    return DONE


def _read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flows.serve",
        description="Run a Prefect server, a work pool and a worker on this machine, with every "
        "deployment registered.",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=4200,
        metavar="N",
        help="port of the server on 127.0.0.1 (default: 4200)",
    )
    data = _data_folder()
    parser.add_argument(
        "--data",
        type=Path,
        default=data,
        metavar="DIR",
        help=f"folder for the database and logs (default: {data})",
    )
    parser.add_argument(
        "--database",
        choices=("auto", "postgresql", "sqlite"),
        default="auto",
        help="the server's database; auto is PostgreSQL where it is installed, else SQLite",
    )
    return parser.parse_args(argv)


def _data_folder() -> Path:
    """As root a folder that other accounts can enter, since PostgreSQL refuses to run as root."""
    if os.geteuid() == 0:
        return Path("/var/lib/ecs-splitter")

    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(home) / "ecs-splitter"


@dataclass(frozen=True)
class _Serving:
    """Where the server is, and what its clients need."""

    port: int
    data: Path
    """Folder for the database and logs."""

    @property
    def url(self) -> str:
        """Of the server and its UI."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the server's clients."""
        return {
            **os.environ,
            "PREFECT_HOME": str(self.data / "prefect"),
            "PREFECT_API_URL": f"{self.url}/api",
        }

    async def start(self, name: str, *arguments: str, log: str, **more: str) -> Program:
        """
        Start one of its programs.

        Args:
            name: For messages.
            *arguments: Of `python -m`.
            log: Name of its log file.
            **more: Further environment variables.
        """
        return await Program.start(
            name,
            *(*PYTHON, *arguments),
            log=self.data / log,
            env={**self.environment, **more},
            # With SIGINT, Prefect's programs end in order.
            end_signal=signal.SIGINT,
        )


async def _run_until_signal(serving: _Serving, database: str) -> None:
    running = asyncio.create_task(_run_all(serving, database))

    def stop() -> None:
        if not running.cancelling():
            say("ending worker, server and database …")
            running.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def _run_all(serving: _Serving, database: str) -> None:
    """
    Everything, in the order in which one needs the other.

    Raises:
        ProgramEnded: One of them did not start, or ended.
    """
    async with (
        running_database(serving.data, database) as store,
        _running_server(serving, store) as server,
        _running_worker(serving) as worker,
    ):
        say(
            f"Prefect: {serving.url} (on {store.label}); work pool {_POOL}; logs in "
            f"{serving.data}; Ctrl-C ends it all"
        )
        programs = [server, worker]
        if store.program:
            programs.append(store.program)
        await _watch(programs)


async def _watch(programs: Sequence[Program]) -> None:
    """Wait until one of the programs ends, which none should."""
    ended = [program.ended for program in programs]
    await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
    for program in programs:
        await program.check()


@asynccontextmanager
async def _running_server(serving: _Serving, store: Database) -> AsyncIterator[Program]:
    """The server, with everything registered."""

    async def answers() -> bool:
        return await _answers(serving.url)

    if await answers():
        raise ProgramEnded(
            f"--port: port {serving.port} of 127.0.0.1 is in use; choose another one"
        )
    server = await serving.start(
        "Prefect server",
        *("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(serving.port)),
        log="server.log",
        PREFECT_API_DATABASE_CONNECTION_URL=store.url,
        # The pages would otherwise call port 4200, whatever the server's own port is.
        PREFECT_SERVER_UI_API_URL=f"{serving.url}/api",
    )
    async with server:
        await await_true(answers, server)
        await _register(serving)
        yield server


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"{url}/api/health", timeout=5)).is_success
        except httpx.TransportError:
            return False


async def _register(serving: _Serving) -> None:
    command = ("flows.register", "--pool", _POOL)
    registering = await serving.start("flows.register", *command, log="register.log")
    async with registering:
        if await registering.ended:
            await registering.check()


@asynccontextmanager
async def _running_worker(serving: _Serving) -> AsyncIterator[Program]:
    worker = await serving.start(
        "Prefect worker",
        *("prefect", "worker", "start", "--pool", _POOL, "--type", "process", "--name", "serve"),
        log="worker.log",
    )
    async with worker:
        yield worker


if __name__ == "__main__":
    sys.exit(main())
