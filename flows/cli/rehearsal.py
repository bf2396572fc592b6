"""A rehearsal: an embedded AWS with the forum in it, and a client that calls it all the time."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.errors import PreflightFailed, SplitterError, StepFailed
from config.load import load_config
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.cli.run import say
from flows.report.client_log import ClientLog
from flows.runtime.private_server import running_private_server
from flows.runtime.process import PYTHON, Program, await_true

__all__ = ["Rehearsal", "client_paths", "rehearsing"]

_START_PATIENCE: Final = 180.0
_REFUSED: Final = 2


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal runs on."""

    config: SplitConfig
    engine: str
    """Container engine of the sandbox."""


@asynccontextmanager
async def rehearsing(
    engine: str, *, rate: float, record: Path, keep: bool = False
) -> AsyncIterator[Rehearsal]:
    """
    A sandbox with the forum in it, a live client, and meanwhile the start of the Prefect server.

    Args:
        engine: `auto`, `docker` or `process`.
        rate: Requests per second of the live client.
        record: File for the client's record.
        keep: Leave the sandbox running at the end.

    Raises:
        PreflightFailed: The sandbox cannot start here, e.g. because the engine does not answer.
        StepFailed: One of them ended by itself.
    """
    async with (
        running_private_server(),
        _running_sandbox(engine, say, keep=keep) as sandbox,
    ):
        config = load_config(Path(sandbox.config))
        async with _running_client(sandbox.alb_url, config, rate, record):
            yield Rehearsal(config, sandbox.engine)


@dataclass(frozen=True)
class _Sandbox:
    """What the sandbox prints when it is ready, as far as it is of use here."""

    alb_url: str
    engine: str
    config: str

    @classmethod
    def parse(cls, line: bytes) -> "_Sandbox":
        state = json.loads(line)
        return cls(
            alb_url=state["alb_url"],
            engine=state["engine"],
            config=state["config"],
        )


@asynccontextmanager
async def _running_sandbox(
    engine: str, relay: Callable[[str], None], *, keep: bool
) -> AsyncIterator[_Sandbox]:
    program = await Program.start(
        "the sandbox",
        *(*PYTHON, "sandbox", "--engine", engine),
        stdout=subprocess.PIPE,
        # One that is kept must not write into a pipe that nobody reads any more.
        relay=None if keep else relay,
        outlive=keep,
    )
    try:
        yield await _wait_until_ready(program)
    finally:
        if not keep or program.ended.done():
            await asyncio.shield(program.end())


async def _wait_until_ready(program: Program) -> _Sandbox:
    stdout = program.process.stdout
    assert stdout is not None  # noqa: S101 - it is a pipe
    try:
        line = await asyncio.wait_for(stdout.readline(), _START_PATIENCE)
    except TimeoutError:
        raise StepFailed(f"the sandbox was not ready after {_START_PATIENCE:g} s") from None
    if line:
        return _Sandbox.parse(line)
    raise await _start_failure(program)


async def _start_failure(program: Program) -> SplitterError:
    code = await program.ended
    message = f"the sandbox did not start: {await _last_message(program)}"
    if code == _REFUSED:
        return PreflightFailed(message)
    return StepFailed(message)


async def _last_message(program: Program) -> str:
    lines = await program.last_lines()
    texts = [line.removeprefix("sandbox: ") for line in lines]
    return "; ".join(texts) or "see its message above"


@asynccontextmanager
async def _running_client(
    url: str, config: SplitConfig, rate: float, record: Path
) -> AsyncIterator[None]:
    """The live client, from its first answer on."""
    log = ClientLog(record)

    async def has_answers() -> bool:
        return bool(log.poll())

    program = await Program.start(
        "the live client",
        *(*PYTHON, "flows.client", "--url", url, "--rate", str(rate), "--output", str(record)),
        *("--backend-header", config.listener.backend_header or ""),
        *("--path", *client_paths(config)),
        stdout=subprocess.DEVNULL,
    )
    async with program:
        await await_true(has_answers, program)
        yield


def client_paths(config: SplitConfig) -> list[str]:
    """Every path in the config's checks and parity: what the client calls."""
    paths = [check.path for check in config.monolith.checks]
    for service in config.services:
        paths += _paths_of(service)
    return list(dict.fromkeys(paths))


def _paths_of(service: ServiceConfig) -> list[str]:
    checked = [check.path for check in service.checks]
    return [*checked, *service.parity.paths]
