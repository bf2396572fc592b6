"""A rehearsal: an AWS of one's own with the forum in it, and a client that never stops calling."""

import asyncio
import contextlib
import ctypes
import json
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.errors import PreflightFailed, StepFailed
from config.split import SplitConfig
from flows.report.client_log import ClientLog

__all__ = ["Sandbox", "client_paths", "running_client", "running_sandbox"]

_START_PATIENCE: Final = 180.0
_END_PATIENCE: Final = 60.0
_SAID: Final = 5
_REFUSED: Final = 2
_PR_SET_PDEATHSIG: Final = 1
_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Sandbox:
    """What a sandbox says of itself when it is ready."""

    endpoint_url: str
    docker_host: str
    alb_url: str
    engine: str
    config: str
    pid: int


def _end_with_parent() -> None:
    """Nothing of a rehearsal outlives it, not even when it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _start(
    *arguments: str, outlive: bool = False, stderr: int | None = None
) -> asyncio.subprocess.Process:
    """
    Start one of our programs in a session of its own.

    Ctrl-C on the terminal reaches a whole process group: the sandbox and the client have to serve
    on until the run has brought its traffic back.
    """
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        cwd=_ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=None if outlive else _end_with_parent,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a program by its id."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _END_PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def running_sandbox(
    engine: str, say: Callable[[str], None], *, keep: bool = False
) -> AsyncIterator[Sandbox]:
    """
    A sandbox with the forum in it.

    Args:
        engine: `auto`, `docker` or `process`.
        say: Tells a line of the sandbox's log.
        keep: Leave it running at the end.

    Raises:
        PreflightFailed: It cannot start here, e.g. because the engine asked for is not there.
        StepFailed: It ended by itself.
    """
    # One that is kept must not write into a pipe that nobody reads any more.
    stderr = None if keep else asyncio.subprocess.PIPE
    process = await _start("sandbox", "--engine", engine, outlive=keep, stderr=stderr)
    said: deque[str] = deque(maxlen=_SAID)
    telling = asyncio.create_task(_pass_on(process.stderr, said, say))
    try:
        yield await _wait_until_ready(process, telling, said)
    finally:
        if not keep or process.returncode is not None:
            await asyncio.shield(_end(process))
            await telling


async def _pass_on(
    stream: asyncio.StreamReader | None, said: deque[str], say: Callable[[str], None]
) -> None:
    """Tell what a program says, and remember the last of it."""
    while stream and (line := await stream.readline()):
        text = line.decode("utf-8", "replace").rstrip()
        said.append(text)
        say(text)


async def _wait_until_ready(
    process: asyncio.subprocess.Process, telling: "asyncio.Task[None]", said: deque[str]
) -> Sandbox:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_PATIENCE)
    except TimeoutError:
        raise StepFailed(f"the sandbox was not ready after {_START_PATIENCE:g} s") from None
    if line:
        state: dict[str, Any] = json.loads(line)
        return Sandbox(**state)
    code = await process.wait()
    await telling
    words = "; ".join(text.removeprefix("sandbox: ") for text in said) or "its message stands above"
    raise (PreflightFailed if code == _REFUSED else StepFailed)(
        f"the sandbox did not start: {words}"
    )


def client_paths(config: SplitConfig) -> list[str]:
    """Every path that the config speaks of: what the client calls."""
    checks = [check.path for service in config.services for check in service.checks]
    parity = [path for service in config.services for path in service.parity.paths]
    monolith = [check.path for check in config.monolith.checks]
    return list(dict.fromkeys([*monolith, *checks, *parity]))


@asynccontextmanager
async def running_client(
    url: str, paths: list[str], rate: float, record: Path, header: str
) -> AsyncIterator[None]:
    """
    The live client, from its first answer on.

    Args:
        url: Where the listener answers.
        paths: What it calls, in turn.
        rate: Requests a second.
        record: File of its answers, a JSON line each.
        header: Response header that names the backend.

    Raises:
        StepFailed: It ended by itself.
    """
    chosen = [part for path in paths for part in ("--path", path)]
    process = await _start(
        "flows.client",
        "--url",
        url,
        "--rate",
        str(rate),
        "--output",
        str(record),
        "--backend-header",
        header,
        *chosen,
    )
    try:
        log = ClientLog(record)
        while not log.poll():
            if process.returncode is not None:
                raise StepFailed(
                    f"the live client ended with exit code {process.returncode}; its message "
                    "stands above"
                )
            await asyncio.sleep(0.05)
        yield
    finally:
        await asyncio.shield(_end(process))
