"""
A Prefect server with its UI, a work pool and a worker on this machine, with every deployment
registered.

    python -m flows.serve [--port N] [--data DIR] [--database auto|postgresql|sqlite]

Runs until Ctrl-C or SIGTERM, and then ends everything that it started.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from flows.cli.command import DONE, FAILED, REFUSED, say
from flows.runtime.process import Program, ProgramEnded, await_true
from flows.serve.database import Database, NoPostgres, running_database

__all__ = ["main"]

_ROOT: Final = Path(__file__).parents[2]
_PYTHON: Final = (sys.executable, "-m")
_POOL: Final = "local-process"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    arguments = _read_arguments(argv)
    try:
        arguments.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        say(f"--data: {arguments.data} cannot be made: {error.strerror}; give another folder")
        return REFUSED
    try:
        asyncio.run(_serve(arguments))
    except NoPostgres as error:
        say(f"--database: no PostgreSQL can be had: {error}; or leave --database out")
        return REFUSED
    except ProgramEnded as error:
        say(str(error))
        return FAILED
    return DONE


def _read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flows.serve", description="Prefect on this machine, all set up."
    )
    parser.add_argument(
        "--port", type=int, default=4200, metavar="N", help="port of the server on 127.0.0.1"
    )
    parser.add_argument(
        "--data", type=Path, default=_data_folder(), metavar="DIR", help="where records and logs go"
    )
    parser.add_argument(
        "--database",
        choices=("auto", "postgresql", "sqlite"),
        default="auto",
        help="what is under the server; auto takes SQLite where no PostgreSQL can be had",
    )
    return parser.parse_args(argv)


def _data_folder() -> Path:
    """As root a folder that other accounts can enter, since PostgreSQL refuses to run as root."""
    if os.geteuid() == 0:
        return Path("/var/lib/ecs-splitter")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "ecs-splitter"


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    url, data = f"http://127.0.0.1:{arguments.port}", arguments.data.absolute()
    serving = asyncio.create_task(_run_all(url, data, arguments.database))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        say("ending worker, server and database …")
        serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    if not serving.cancelled():
        serving.result()


async def _run_all(url: str, data: Path, database: str) -> None:
    """
    Everything, in the order in which one needs the other.

    Raises:
        ProgramEnded: One of them did not start, or ended.
    """
    async with (
        running_database(data, database) as store,
        _running_server(url, data, store) as (server, environment),
        _running_worker(data, environment) as worker,
    ):
        say(
            f"Prefect: {url} (on {store.label}); work pool {_POOL}; logs in {data}; Ctrl-C ends "
            "it all"
        )
        programs = [program for program in (store.program, server, worker) if program]
        await asyncio.wait(
            [program.ended for program in programs], return_when=asyncio.FIRST_COMPLETED
        )
        for program in programs:
            program.check()


@asynccontextmanager
async def _running_server(
    url: str, data: Path, store: Database
) -> AsyncIterator[tuple[Program, dict[str, str]]]:
    """The server, with everything registered; and the environment of its clients."""
    port = httpx.URL(url).port
    if await _answers(url):
        raise ProgramEnded(f"port {port} of 127.0.0.1 is taken; give another one with --port")
    environment = {
        **os.environ,
        "PREFECT_HOME": str(data / "prefect"),
        "PREFECT_API_URL": f"{url}/api",
    }
    server = await Program.start(
        "Prefect server",
        *(*_PYTHON, "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)),
        log=data / "server.log",
        cwd=_ROOT,
        env=environment
        | {
            "PREFECT_API_DATABASE_CONNECTION_URL": store.url,
            # The pages would otherwise call port 4200, whatever the server's own port is.
            "PREFECT_SERVER_UI_API_URL": f"{url}/api",
        },
    )
    async with server:
        await await_true(lambda: _answers(url), server)
        await _register(data, environment)
        yield server, environment


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"{url}/api/health", timeout=5)).is_success
        except httpx.TransportError:
            return False


async def _register(data: Path, environment: dict[str, str]) -> None:
    command = (*_PYTHON, "flows.register", "--pool", _POOL)
    registering = await Program.start(
        "flows.register", *command, log=data / "register.log", cwd=_ROOT, env=environment
    )
    async with registering:
        if await registering.ended:
            registering.check()


@asynccontextmanager
async def _running_worker(data: Path, environment: dict[str, str]) -> AsyncIterator[Program]:
    worker = await Program.start(
        "Prefect worker",
        *(
            *_PYTHON,
            "prefect",
            "worker",
            "start",
            "--pool",
            _POOL,
            "--type",
            "process",
            "--name",
            "serve",
        ),
        log=data / "worker.log",
        cwd=_ROOT,
        env=environment,
    )
    async with worker:
        yield worker


if __name__ == "__main__":
    sys.exit(main())
