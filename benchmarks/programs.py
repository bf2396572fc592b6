"""
The programs that are measured: the sandbox, the live client, and a command line; each is ended by
its id.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Run", "Sandbox", "proportional_memory", "run", "running_client", "running_sandbox"]

_ROOT: Final = Path(__file__).parents[1]
_KIB: Final = 1024


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is ready."""

    state: dict[str, Any]
    record: Path
    ready_after: float
    """Seconds from its start to its line of addresses."""
    pid: int

    def calls(self) -> list[dict[str, Any]]:
        """Every AWS call of a client so far."""
        return [json.loads(line) for line in self.record.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Run:
    """A command line that has ended."""

    seconds: float
    code: int
    outcome: dict[str, Any]
    peak_memory: float
    """MiB, of the largest of its processes."""


@contextlib.contextmanager
def running_sandbox(folder: Path, *arguments: str) -> Iterator[Sandbox]:
    """
    A sandbox on the embedded engine, which every machine has.

    Args:
        folder: For its record and log.
        arguments: Further ones.
    """
    record = folder / "record.jsonl"
    command = [
        sys.executable,
        "-m",
        "sandbox",
        "--engine",
        "process",
        "--record",
        str(record),
        *arguments,
    ]
    began = time.perf_counter()
    with (folder / "sandbox.log").open("w") as log:
        process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the sandbox did not start: {(folder / 'sandbox.log').read_text()}")
        yield Sandbox(json.loads(line), record, time.perf_counter() - began, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


@contextlib.contextmanager
def running_client(
    sandbox: Sandbox, paths: list[str], rate: float, folder: Path
) -> Iterator[dict[str, Any]]:
    """The live client; what it saw stands in the mapping when the block has ended."""
    words = [
        sys.executable,
        "-m",
        "flows.client",
        "--url",
        sandbox.state["alb_url"],
        "--rate",
        str(rate),
    ]
    words += ["--output", str(folder / "answers.jsonl"), "--path", *paths]
    process = subprocess.Popen(words, cwd=_ROOT, stdout=subprocess.PIPE)
    seen: dict[str, Any] = {}
    try:
        yield seen
    finally:
        process.send_signal(signal.SIGTERM)
        seen |= json.loads(process.communicate()[0])


def run(folder: Path, module: str, *arguments: str, environment: dict[str, str]) -> Run:
    """
    Run `python -m MODULE ARGUMENT... --json` to its end.

    Raises:
        RuntimeError: Its exit code is not 0; shows what it said last.
    """
    log = folder / f"{module}.log"
    began = time.perf_counter()
    with log.open("w") as stderr, (folder / "stdout").open("w+") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--json"],
            cwd=_ROOT,
            env={**os.environ, **environment},
            stdout=stdout,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
        )
        # wait4 instead of wait: it tells the memory too.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        text = stdout.read()
    if process.returncode:
        raise RuntimeError(
            f"python -m {module} ended with {process.returncode}:\n{log.read_text()[-2000:]}{text}"
        )
    return Run(seconds, process.returncode, json.loads(text), usage.ru_maxrss / _KIB)


def proportional_memory(pid: int) -> float:
    """MiB of a process and all below it; what several share is divided among them (PSS)."""
    total = 0.0
    for found in (pid, *_below(pid)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            rollup = Path(f"/proc/{found}/smaps_rollup").read_text(encoding="ascii")
            total += int(rollup.partition("\nPss:")[2].split()[0]) / _KIB
    return total


def _below(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        listings = [
            path.read_text(encoding="ascii")
            for path in Path(f"/proc/{pid}/task").glob("*/children")
        ]
        children = [int(child) for listing in listings for child in listing.split()]
        return children + [below for child in children for below in _below(child)]
    return []
