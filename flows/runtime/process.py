"""A program that one of ours starts, watches, and ends by its id."""

import asyncio
import contextlib
import ctypes
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["Program", "ProgramEnded", "await_true"]

_PR_SET_PDEATHSIG: Final = 1
_END_PATIENCE: Final = 60.0
_POLL: Final = 0.1


class ProgramEnded(Exception):
    """Raised when a program ended that should be running."""


class Program:
    """
    A running program; leaving its context ends it.

    It has a session of its own, so that Ctrl-C on the terminal leaves the order in which things end
    to us, and it gets SIGTERM when we are killed.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name, self.log = name, log
        self._process = process
        self.ended = asyncio.create_task(process.wait(), name=name)

    @classmethod
    async def start(cls, name: str, *command: str, log: Path, **keywords: Any) -> Self:
        """
        Start it.

        Args:
            name: For messages.
            *command: Program and arguments.
            log: File that gets what it prints.
            **keywords: As `subprocess.Popen`, e.g. env and user.
        """
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_end_with_parent,
                **keywords,
            )
        return cls(name, process, log)

    def check(self) -> None:
        """
        See that it runs.

        Raises:
            ProgramEnded: With the last lines of its log.
        """
        if self.ended.done():
            lines = self.log.read_text(errors="replace").splitlines()[-20:]
            raise ProgramEnded(
                "\n".join([f"{self.name} ended by itself; the end of {self.log}:", *lines])
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.shield(self.end())

    async def end(self) -> None:
        """End it; a program that does not end within a minute of SIGINT is killed."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(asyncio.shield(self.ended), _END_PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self.ended


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def await_true(
    condition: Callable[[], Awaitable[bool]], program: Program, patience: float = 180.0
) -> None:
    """
    Wait until a condition of a program's holds.

    Raises:
        ProgramEnded: It ended before, or the condition did not hold in time.
    """
    deadline = time.monotonic() + patience
    while not await condition():
        program.check()
        if time.monotonic() > deadline:
            raise ProgramEnded(
                f"{program.name} is not ready after {patience:g} s; look at {program.log}"
            )
        await asyncio.sleep(_POLL)
