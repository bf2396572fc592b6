"""The HTTP client of checks, parity and probes against real servers on the loopback."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tasks.http import client as module
from tasks.http.client import Response, Route, fetch, open_session
from tasks.http.pacing import pace
from tasks.http.request import Request

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Respond = Callable[[int, Writer], Awaitable[None]]


def reply(
    *headers: str, status: int = 200, body: bytes = b"ok", length: int | None = None
) -> bytes:
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {size}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class RawServer:
    """Records each request as it arrives, byte for byte, and lets `respond` respond to it."""

    def __init__(self, respond: Respond) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._respond = respond
        self._handlers: dict[asyncio.Task[None], Writer] = {}

    @property
    def request_lines(self) -> list[bytes]:
        return [request.partition(b"\r\n")[0] for request in self.requests]

    async def close(self) -> None:
        for writer in self._handlers.values():
            writer.close()
        await asyncio.gather(*self._handlers)

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        self._handlers[asyncio.current_task()] = writer
        try:
            while not writer.is_closing():
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await self._respond(len(self.requests), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(respond: Respond) -> AsyncIterator[tuple[RawServer, Route]]:
    raw = RawServer(respond)
    async with await asyncio.start_server(raw.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            yield raw, Route(f"http://127.0.0.1:{port}")
        finally:
            await raw.close()


def answering(answer: bytes) -> Respond:
    async def respond(_: int, writer: Writer) -> None:
        writer.write(answer)
        await writer.drain()

    return respond


async def fetch_once(answer: bytes, path: str = "/x") -> tuple[RawServer, Response]:
    async with serving(answering(answer)) as (raw, route), open_session() as session:
        return raw, await fetch(session, route, path)


async def test_a_request_is_not_resent_when_its_kept_alive_connection_dies():
    async def close_after_the_second_request(count: int, writer: Writer) -> None:
        if count == 1:
            await answering(reply())(count, writer)
        else:
            writer.close()

    async with (
        serving(close_after_the_second_request) as (raw, route),
        open_session() as session,
    ):
        first = await fetch(session, route, "/first")
        second = await fetch(session, route, "/second")
    assert raw.request_lines == [b"GET /first HTTP/1.1", b"GET /second HTTP/1.1"]
    assert (first.failed, second.failed) == (False, True)
    assert (second.status, raw.connections) == (0, 1)
    assert second.error


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb?x=%20y",
        "/a%2fb/../c/./d//e",
        "/caf%C3%A9?q=%41+b&list[]=1&pipe=|^`{}<>\"'",
        "/a;b=1,c:d@e!$&'()*+~?x=/?:@",
    ],
)
async def test_a_path_arrives_byte_for_byte(target):
    raw, _ = await fetch_once(reply(), target)
    assert raw.request_lines == [f"GET {target} HTTP/1.1".encode()]


@pytest.mark.parametrize(
    ("path", "target"),
    [("/café?q=a b", b"/caf%C3%A9?q=a%20b"), ("/x\r\nHost: y", b"/x%0D%0AHost:%20y")],
)
async def test_only_what_http_cannot_carry_is_encoded(path, target):
    raw, _ = await fetch_once(reply(), path)
    assert raw.request_lines == [b"GET " + target + b" HTTP/1.1"]


async def test_a_fragment_is_not_sent():
    raw, _ = await fetch_once(reply(), "/x?y=1#top")
    assert raw.request_lines == [b"GET /x?y=1 HTTP/1.1"]


async def test_the_headers_of_the_route_are_sent():
    async with serving(answering(reply())) as (raw, route), open_session() as session:
        await fetch(session, Route(route.url, {"X-Split-Preview": "secret.preview"}), "/x")
    assert b"\r\nx-split-preview: secret.preview\r\n" in raw.requests[0].lower()


async def test_a_redirect_is_a_response_and_is_not_followed():
    raw, response = await fetch_once(reply("Location: /elsewhere", status=302))
    assert (response.status, len(raw.requests)) == (302, 1)


async def test_cookies_are_not_kept():
    setting = answering(reply("Set-Cookie: AWSALB=1"))
    async with serving(setting) as (raw, route), open_session() as session:
        await fetch(session, route, "/x")
        await fetch(session, route, "/x")
    assert not any(b"cookie" in request.lower() for request in raw.requests)


async def test_headers_are_found_in_any_case():
    _, response = await fetch_once(
        reply("x-SERVED-by: users", "CONTENT-TYPE: Text/HTML; charset=x")
    )
    assert response.headers.get("X-Served-By") == "users"
    assert response.content_type == "text/html"


async def test_a_compressed_body_is_read():
    body = gzip.compress(b'{"id": 1}')
    _, response = await fetch_once(reply("Content-Encoding: gzip", body=body))
    assert response.body == b'{"id": 1}'


async def test_a_body_that_breaks_off_is_a_failure():
    async def break_off(_: int, writer: Writer) -> None:
        writer.write(reply(body=b"half", length=8))
        await writer.drain()
        writer.close()

    async with serving(break_off) as (raw, route), open_session() as session:
        response = await fetch(session, route, "/x")
    assert (response.failed, response.status, len(raw.requests)) == (True, 0, 1)


async def test_a_response_that_takes_too_long_is_a_failure(monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT", 0.2)

    async def trickle(_: int, writer: Writer) -> None:
        writer.write(reply(body=b"", length=1000))
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(trickle) as (_, route), open_session() as session:
        response = await fetch(session, route, "/x")
    assert (response.failed, response.error) == (True, "no complete response within 0.2 s")


async def test_nothing_listening_is_a_failure_with_its_reason():
    async with open_session() as session:
        response = await fetch(session, Route("http://127.0.0.1:9"), "/x")
    assert (response.failed, response.error) == (
        True,
        "ConnectError: [Errno 111] Connect call failed ('127.0.0.1', 9)",
    )


@pytest.fixture
def proxy_at(monkeypatch):
    """Names a proxy in the environment, and no exception from it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    def name_it(url):
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("HTTPS_PROXY", url)

    return name_it


async def test_a_proxy_in_the_environment_is_not_used_for_this_machines_own_addresses(proxy_at):
    proxy_at("http://127.0.0.1:9")
    _, response = await fetch_once(reply())
    assert response.status == 200


async def test_a_proxy_in_the_environment_gets_the_whole_url_with_the_path_as_written(proxy_at):
    async with serving(answering(reply())) as (raw, route), open_session() as session:
        proxy_at(route.url)
        response = await fetch(session, Route("http://shop.test:8080"), "/a%2fb/../c?x={1}")
    assert response.status == 200
    assert raw.request_lines == [b"GET http://shop.test:8080/a%2fb/../c?x={1} HTTP/1.1"]
    assert b"\r\nHost: shop.test:8080\r\n" in raw.requests[0]


async def test_an_https_url_is_reached_through_a_tunnel_to_its_host(proxy_at):
    refused = answering(reply(status=403))
    async with serving(refused) as (raw, route), open_session() as session:
        proxy_at(route.url.replace("http://", "http://me:pass@"))
        response = await fetch(session, Route("https://shop.test"), "/cart")
    assert raw.request_lines == [b"CONNECT shop.test:443 HTTP/1.1"]
    assert b"Proxy-Authorization: Basic bWU6cGFzcw==" in raw.requests[0]
    assert (response.failed, response.error) == (True, "ProxyError: 403 X")


async def test_a_host_that_no_proxy_names_is_reached_directly(proxy_at, monkeypatch):
    async with serving(answering(reply())) as (_, route), open_session() as session:
        proxy_at("http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", ".test")
        port = route.url.rpartition(":")[2]
        response = await fetch(session, Route(f"http://shop.test:{port}").at("127.0.0.1"), "/")
    assert response.status == 200


async def test_one_address_of_a_name_is_reached_with_the_names_own_host_header():
    async with serving(answering(reply())) as (raw, route), open_session() as session:
        port = route.url.rpartition(":")[2]
        await fetch(session, Route(f"http://shop.test:{port}").at("127.0.0.1"), "/x")
    assert f"\r\nHost: shop.test:{port}\r\n".encode() in raw.requests[0]


async def test_the_tool_names_itself_and_its_version():
    raw, _ = await fetch_once(reply())
    assert re.search(rb"\r\nUser-Agent: ecs-splitter/\S+\r\n", raw.requests[0])


async def test_a_request_may_be_a_head_with_headers_of_its_own():
    answer = answering(reply(body=b"", length=7))
    async with serving(answer) as (raw, route), open_session() as session:
        request = Request("/x", "HEAD", {"Authorization": "Bearer 1", "user-agent": "shop"})
        response = await fetch(session, route, request)
    assert (response.status, response.body) == (200, b"")
    assert raw.requests[0].startswith(b"HEAD /x HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer 1\r\n" in raw.requests[0]
    assert raw.requests[0].lower().count(b"user-agent") == 1


def test_the_values_of_headers_are_not_shown():
    shown = f"{Request('/x', headers={'A': 's3cret'})!r} {Route('http://x', {'A': 's3cret'})!r}"
    assert "s3cret" not in shown


async def test_requests_wait_for_one_of_sixteen_connections():
    async def slowly(_: int, writer: Writer) -> None:
        await asyncio.sleep(0.05)
        await answering(reply())(1, writer)

    pace().allow(10_000)
    async with serving(slowly) as (raw, route), open_session() as session:
        responses = await asyncio.gather(*(fetch(session, route, "/x") for _ in range(40)))
    assert [response.status for response in responses] == [200] * 40
    assert (len(raw.requests), raw.connections) == (40, 16)
