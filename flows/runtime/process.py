"""Child programs: starting, watching and ending them."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from config.errors import StepFailed

__all__ = ["PYTHON", "ROOT", "Program", "ProgramEnded", "await_true"]

ROOT: Final = Path(__file__).parents[2]
"""Folder of this checkout, where `python -m` finds our programs."""
PYTHON: Final = (sys.executable, "-m")

_PR_SET_PDEATHSIG: Final = 1
_END_PATIENCE: Final = 60.0
_POLL: Final = 0.1
_LAST_LINES: Final = 20


class ProgramEnded(StepFailed):
    """Raised when a program ended that should be running."""


class Program:
    """
    A running child program; leaving its context ends it.

    It has a session of its own, so that Ctrl-C on the terminal leaves the order in which things end
    to us. Unless it is to outlive us it gets SIGTERM when we are killed. The kernel sends that when
    the *thread* ends that started the program, so it has to be started from the main thread.
    """

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        *,
        log: Path | None,
        end_signal: signal.Signals,
    ) -> None:
        self.name = name
        self.process = process
        self.ended = asyncio.create_task(process.wait(), name=name)
        """Its exit code, in time."""
        self._log = log
        self._end_signal = end_signal
        self._relayed: deque[str] = deque(maxlen=_LAST_LINES)
        self._relay: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        *command: str,
        log: Path | None = None,
        relay: Callable[[str], None] | None = None,
        outlive: bool = False,
        end_signal: signal.Signals = signal.SIGTERM,
        **keywords: Any,
    ) -> Self:
        """
        Start it.

        Args:
            name: For messages.
            *command: Program and arguments.
            log: File that gets what it prints.
            relay: Gets each line that it prints on stderr.
            outlive: Whether it runs on when this process is killed.
            end_signal: What ends it in order.
            **keywords: As `subprocess.Popen`, e.g. env and user.
        """
        keywords.setdefault("cwd", ROOT)
        if relay:
            keywords["stderr"] = subprocess.PIPE
        with _output_to(log) as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=None if outlive else _ending_with(os.getpid()),
                **(output | keywords),
            )

        program = cls(name, process, log=log, end_signal=end_signal)
        if relay and process.stderr:
            program._relay = asyncio.create_task(program._pass_on(process.stderr, relay))
        return program

    async def last_lines(self) -> list[str]:
        """The last lines that it printed: into its log, or those that were relayed."""
        if self._relay and self.ended.done():
            await self._relay
        if self._log is None:
            return list(self._relayed)

        text = self._log.read_text(errors="replace")
        return text.splitlines()[-_LAST_LINES:]

    async def check(self) -> None:
        """
        Check that it runs.

        Raises:
            ProgramEnded: With its last lines.
        """
        if not self.ended.done():
            return

        where = f"; the end of {self._log}" if self._log else ""
        head = f"{self.name} ended with exit code {self.ended.result()}{where}:"
        lines = await self.last_lines()
        raise ProgramEnded("\n".join([head, *lines]))

    async def end(self) -> None:
        """End it; a program that still runs a minute after its signal is killed."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(self._end_signal)
            await self._await_end()
        if self._relay:
            await self._relay

    async def _await_end(self) -> None:
        try:
            await asyncio.wait_for(asyncio.shield(self.ended), _END_PATIENCE)
        except TimeoutError:
            self.process.kill()
            await self.ended

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.shield(self.end())

    async def _pass_on(self, stream: asyncio.StreamReader, relay: Callable[[str], None]) -> None:
        while line := await stream.readline():
            text = line.decode("utf-8", "replace").rstrip()
            self._relayed.append(text)
            relay(text)


@contextlib.contextmanager
def _output_to(log: Path | None) -> Iterator[dict[str, Any]]:
    """Keywords of a program that prints into its log."""
    if log is None:
        yield {}
        return

    with log.open("ab") as file:
        yield {"stdout": file, "stderr": subprocess.STDOUT}


def _ending_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes the program, so that it ends with its parent."""

    def prepare() -> None:
        if sys.platform != "linux":
            return
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # killed before the kernel knew
            os.kill(os.getpid(), signal.SIGTERM)

    return prepare


async def await_true(
    condition: Callable[[], Awaitable[bool]], program: Program, patience: float = 180.0
) -> None:
    """
    Wait until a condition that a program brings about is true.

    Raises:
        ProgramEnded: It ended before, or the condition was not true in time.
    """
    deadline = time.monotonic() + patience
    while not await condition():
        await program.check()
        if time.monotonic() > deadline:
            head = f"{program.name} is not ready after {patience:g} s:"
            lines = await program.last_lines()
            raise ProgramEnded("\n".join([head, *lines]))
        await asyncio.sleep(_POLL)
