"""The live client against a real HTTP server on the loopback."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from flows.report.client_log import ClientLog, read_client_log, summarize

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Respond = Callable[[str, Writer], Awaitable[None]]


def reply(
    status: int = 200,
    served_by: str | None = "monolith",
    body: bytes = b"ok",
    length: int | None = None,
) -> bytes:
    name = f"X-Served-By: {served_by}\r\n" if served_by else ""
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status} X\r\n{name}Content-Length: {size}\r\n\r\n".encode() + body


class Server:
    """
    Answers each request on a kept-alive connection as `respond` says, and knows what it was asked.
    """

    def __init__(self, respond: Respond) -> None:
        self.seen: list[str] = []
        self._respond = respond
        self._writers: set[Writer] = set()

    @property
    def connections(self) -> int:
        return len(self._writers)

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self._writers.add(writer)
        while not writer.is_closing():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            path = head.split()[1].decode()
            self.seen.append(path)
            await self._respond(path, writer)
        writer.close()


@asynccontextmanager
async def serving(respond: Respond) -> AsyncIterator[tuple[Server, str]]:
    server = Server(respond)
    url = await server.start()
    try:
        yield server, url
    finally:
        await server.close()


@asynccontextmanager
async def client(
    url: str, output: Path, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flows.client", "--url", url, "--output", str(output), *options,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def calling(
    respond: Respond, output: Path, *options: str
) -> AsyncIterator[tuple[Server, asyncio.subprocess.Process]]:
    async with serving(respond) as (server, url), client(url, output, *options) as process:
        yield server, process


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.02)


async def stopped(
    process: asyncio.subprocess.Process, number: signal.Signals = signal.SIGTERM
) -> dict[str, object]:
    process.send_signal(number)
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    summary: dict[str, object] = json.loads(stdout)
    return summary


async def answer_ok(path: str, writer: Writer) -> None:
    writer.write(reply(served_by=path.split("/")[1]))
    await writer.drain()


async def test_all_paths_are_called_in_turn(tmp_path):
    async with calling(
        answer_ok, tmp_path / "a", "--path", "/users?limit=2", "/posts", "--path", "/threads"
    ) as (
        server,
        process,
    ):
        await until(lambda: len(server.seen) >= 6)
        await stopped(process)
    assert sorted(server.seen[:6]) == sorted(["/users?limit=2", "/posts", "/threads"] * 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_every_request_that_reached_the_server_is_in_the_record(tmp_path, number):
    async def slowly(path: str, writer: Writer) -> None:
        await asyncio.sleep(0.3)
        await answer_ok(path, writer)

    async with calling(slowly, tmp_path / "a", "--path", "/users", "--rate", "40") as (
        server,
        process,
    ):
        await until(lambda: len(server.seen) >= 20)
        await stopped(process, number)
    assert len(list(read_client_log(tmp_path / "a"))) == len(server.seen)


async def test_the_summary_equals_the_record(tmp_path):
    async with calling(answer_ok, tmp_path / "a", "--path", "/users", "/posts") as (
        server,
        process,
    ):
        await until(lambda: len(server.seen) >= 50)
        summary = await stopped(process)
    summary.pop("rate")
    assert summary == summarize(read_client_log(tmp_path / "a")).model_dump()


async def test_the_rate_is_steady_though_answers_are_slow(tmp_path):
    async def slowly(path: str, writer: Writer) -> None:
        await asyncio.sleep(0.5)
        await answer_ok(path, writer)

    async with calling(
        slowly, tmp_path / "a", "--path", "/x", "--rate", "50", "--connections", "64"
    ) as (
        server,
        process,
    ):
        await until(lambda: len(server.seen) >= 60)
        summary = await stopped(process)
    assert summary["rate"] == pytest.approx(50, rel=0.1)


async def test_no_more_connections_are_opened_than_allowed(tmp_path):
    async def slowly(path: str, writer: Writer) -> None:
        await asyncio.sleep(0.1)
        await answer_ok(path, writer)

    async with calling(slowly, tmp_path / "a", "--path", "/x", "--connections", "4") as (
        server,
        process,
    ):
        await until(lambda: len(server.seen) >= 20)
        assert server.connections == 4
        process.kill()


async def test_a_broken_connection_is_a_failed_request_and_nothing_is_sent_again(tmp_path):
    async def every_third_breaks(path: str, writer: Writer) -> None:
        if len(server.seen) % 3:
            await answer_ok(path, writer)
        else:
            writer.close()

    async with calling(
        every_third_breaks, tmp_path / "a", "--path", "/x", "--rate", "50", "--connections", "1"
    ) as (
        server,
        process,
    ):
        await until(lambda: len(server.seen) >= 31)
        summary = await stopped(process)
    assert (summary["requests"], summary["failed"]) == (len(server.seen), len(server.seen) // 3)


async def test_an_answer_that_breaks_off_counts_as_none(tmp_path):
    async def break_off(_: str, writer: Writer) -> None:
        writer.write(reply(body=b"half", length=8))
        await writer.drain()
        writer.close()

    async with calling(break_off, tmp_path / "a", "--path", "/x", "--rate", "20") as (
        server,
        process,
    ):
        await until(lambda: len(server.seen) >= 3)
        await stopped(process)
    assert {(answer.status, answer.failed) for answer in read_client_log(tmp_path / "a")} == {
        (0, True)
    }


async def test_an_answer_of_the_load_balancer_itself_is_unnamed(tmp_path):
    async def refuse(_: str, writer: Writer) -> None:
        writer.write(reply(503, served_by=None))
        await writer.drain()

    async with calling(refuse, tmp_path / "a", "--path", "/x", "--rate", "20") as (server, process):
        await until(lambda: len(server.seen) >= 3)
        summary = await stopped(process)
    assert summary["by_backend"] == {"unnamed": summary["failed"]}


async def test_nobody_listening_is_recorded_with_the_reason(tmp_path):
    log = ClientLog(tmp_path / "a")
    async with client(
        "http://127.0.0.1:9", tmp_path / "a", "--path", "/x", "--rate", "20"
    ) as process:
        await until(lambda: bool(log.poll()))
        await stopped(process)
    assert "Cannot connect" in next(iter(log.tally.errors))


async def test_the_record_can_be_read_while_it_grows(tmp_path):
    log = ClientLog(tmp_path / "a")
    async with calling(answer_ok, tmp_path / "a", "--path", "/users") as (_, process):
        await until(lambda: bool(log.poll()) and log.tally.requests >= 100)
        assert process.returncode is None


async def test_a_path_without_its_slash_is_refused_with_the_remedy(tmp_path, capfd):
    async with client("http://127.0.0.1:9", tmp_path / "a", "--path", "users") as process:
        await process.communicate()
    assert "write /users" in capfd.readouterr().err


async def test_a_client_bound_to_its_starter_ends_when_that_is_killed(tmp_path):
    async with serving(answer_ok) as (server, url):
        command = (
            f"{sys.executable} -m flows.client --with-parent --url {url} --path /x --output "
            f"{tmp_path / 'a'} & wait"
        )
        starter = await asyncio.create_subprocess_exec(
            "sh", "-c", command, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        try:
            await until(lambda: len(server.seen) >= 20)
            starter.kill()
            # The pipe ends only when the client does, too.
            stdout, _ = await asyncio.wait_for(starter.communicate(), 20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(starter.pid, signal.SIGKILL)
    assert json.loads(stdout)["requests"] == len(server.seen)
