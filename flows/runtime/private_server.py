"""A Prefect server of this process's own, for a run without PREFECT_API_URL."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import prefect
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterStartTime
from prefect.client.schemas.objects import TaskRun
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogHandler
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    get_current_settings,
    temporary_settings,
)

from flows.runtime.process import PYTHON, Program, await_true

__all__ = [
    "await_private_server",
    "awaiting_records",
    "on_private_server",
    "running_private_server",
]

_APP: Final = "prefect.server.api.server:create_app"
# As Prefect starts a temporary server itself. One that Prefect starts outlives a killed process,
# and Ctrl-C on a terminal ends it before the run has ended in order.
_ENVIRONMENT: Final = {
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    # Nobody opens its pages, and unpacking them takes seconds.
    "PREFECT_SERVER_UI_ENABLED": "false",
}
_SERVERS: Final[dict[str, Program]] = {}
# By API URL: those that this process has started.

_RECORDS_PATIENCE: Final = 6.0
_PAUSE: Final = 0.4
_QUIET: Final = 2
_PAGE: Final = 200


def on_private_server() -> bool:
    """Whether the Prefect server of this process ends with it."""
    url = PREFECT_API_URL.value()
    return url is None or url in _SERVERS


@asynccontextmanager
async def running_private_server() -> AsyncIterator[None]:
    """
    A Prefect server that this process uses while the block runs; none where PREFECT_API_URL names
    one already.

    Its start takes seconds, in which other work can be done: `await_private_server` waits for it.
    """
    if PREFECT_API_URL.value():
        yield
        return

    url = f"http://127.0.0.1:{_free_port()}/api"
    async with await _start(url) as server:
        _SERVERS[url] = server
        try:
            with temporary_settings({PREFECT_API_URL: url}):
                yield
        finally:
            del _SERVERS[url]


async def await_private_server() -> None:
    """
    Wait until the private server of this process answers, if it has one.

    Raises:
        ProgramEnded: It does not start.
    """
    url = PREFECT_API_URL.value()
    if url in _SERVERS:
        patience = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
        await await_true(lambda: _answers(url), _SERVERS[url], patience)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        _, port = free.getsockname()
    return int(port)


async def _start(url: str) -> Program:
    folder = Path(prefect.__file__).parents[1]
    port = httpx.URL(url).port
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    return await Program.start(
        "the private Prefect server",
        *(*PYTHON, "uvicorn", "--app-dir", str(folder), "--factory", _APP),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--log-level", "error", "--lifespan", "on"),
        relay=_keep_quiet,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **_ENVIRONMENT, **settings},
    )


def _keep_quiet(line: str) -> None:
    """What the server prints is shown only when it ends by itself."""


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            answer = await client.get(f"{url}/health", timeout=5)
        except httpx.TransportError:
            return False
    return answer.is_success


@asynccontextmanager
async def awaiting_records() -> AsyncIterator[None]:
    """
    Wait at the end of the block until a private server has recorded the runs of the block, or for
    six seconds: it writes them a little later, and loses what is not written when it ends.
    """
    began = datetime.now(UTC)
    try:
        yield
    finally:
        if on_private_server():
            await APILogHandler.aflush()
            await asyncio.to_thread(EventsWorker.drain_all)
            await _await_records(began)


async def _await_records(began: datetime) -> None:
    """
    Wait until the number of task runs is steady, and none of them is open.

    Every flow of ours runs a task: as long as none is recorded, the first is still on its way.
    """
    deadline = time.monotonic() + _RECORDS_PATIENCE
    quiet = 0
    before = -1
    async with get_client() as client:
        if not await client.read_flow_runs(flow_run_filter=_since(began), limit=1):
            return
        while time.monotonic() < deadline:
            runs = await client.read_task_runs(flow_run_filter=_since(began), limit=_PAGE)
            is_quiet = len(runs) == before > 0 and all(map(_has_ended, runs))
            quiet = quiet + 1 if is_quiet else 0
            if quiet == _QUIET:
                return
            before = len(runs)
            await asyncio.sleep(_PAUSE)


def _since(began: datetime) -> FlowRunFilter:
    return FlowRunFilter(start_time=FlowRunFilterStartTime(after_=began))


def _has_ended(run: TaskRun) -> bool:
    return run.state is not None and run.state.is_final()
