"""Whether a private route is reached: at every address of the name, several times in a row."""

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tasks.http import nonce as module
from tasks.http.client import PREVIEW_HEADER, Route
from tasks.http.nonce import nonce_of, wait_for_nonce, wait_until_forwarded
from tasks.http.request import Request

ADDRESSES = ("127.0.0.41", "127.0.0.42")
HEADERS = {PREVIEW_HEADER: "secret.preview"}
NONCE = nonce_of(Route("http://alb.test", HEADERS))
CART, LEGACY = Request("/cart"), Request("/cart/legacy")


class Node:
    """One node of a load balancer, which answers each request in turn as it was given."""

    def __init__(self, bodies):
        self.bodies = list(bodies)
        self.paths = []
        self._connections = {}

    async def close(self):
        for writer in self._connections.values():
            writer.close()
        await asyncio.gather(*self._connections)

    async def serve(self, reader, writer):
        self._connections[asyncio.current_task()] = writer
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.paths.append(head.split()[1].decode())
                body = self._next().encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _next(self):
        """The last body stays."""
        return self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]


@pytest.fixture
def balancer(monkeypatch):
    """Starts nodes at the addresses to which the name alb.test resolves."""
    monkeypatch.setattr(module, "_PAUSE", 0.01)

    @asynccontextmanager
    async def start(*nodes):
        with socket.create_server((ADDRESSES[0], 0)) as free:
            port = free.getsockname()[1]

        async def resolve(host, *_, **__):
            assert host in ("alb.test", b"alb.test")
            kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*kind, (address, port)) for address in ADDRESSES[: len(nodes)]]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        async with AsyncExitStack() as stack:
            for node, address in zip(nodes, ADDRESSES, strict=False):
                if node is not None:
                    server = await asyncio.start_server(node.serve, address, port)
                    await stack.enter_async_context(server)
                    stack.push_async_callback(node.close)
            yield Route(f"http://alb.test:{port}", HEADERS)

    return start


async def test_a_rule_that_has_reached_only_one_node_of_two_is_waited_for(balancer):
    late = Node(["monolith"] * 4 + [NONCE])
    async with balancer(Node([NONCE]), late) as route:
        assert await wait_for_nonce(route, [CART], (), limit=10) is None
    assert len(late.paths) == 4 + 3


async def test_a_node_that_answers_both_ways_in_turn_is_not_believed(balancer):
    async with balancer(Node([NONCE, NONCE, "monolith"] * 2 + [NONCE])) as route:
        assert await wait_for_nonce(route, [CART], (), limit=10) is None


async def test_a_header_that_is_lost_on_the_way_is_a_miss_with_its_address(balancer):
    async with balancer(Node([NONCE]), Node(["monolith"])) as route:
        miss = await wait_for_nonce(route, [CART], (), limit=0.1)
    assert str(miss) == f"GET /cart at {ADDRESSES[1]}: status 200"


async def test_a_path_that_another_rule_takes_is_a_miss(balancer):
    async with balancer(Node([NONCE, NONCE, NONCE, "other"])) as route:
        miss = await wait_for_nonce(route, [CART], [LEGACY], limit=0.1)
    assert (miss.request, miss.response.body) == (LEGACY, b"other")


async def test_a_request_that_is_lost_once_after_the_time_is_asked_again(balancer):
    async with balancer(Node([NONCE, NONCE, NONCE, "lost", NONCE])) as route:
        assert await wait_for_nonce(route, [CART], [LEGACY], limit=0.0) is None


async def test_a_server_that_echoes_the_header_has_not_answered_with_the_nonce(balancer):
    async with balancer(Node([HEADERS[PREVIEW_HEADER]])) as route:
        assert await wait_for_nonce(route, [CART], (), limit=0.1)


async def test_an_address_that_nothing_can_connect_to_does_not_count(balancer):
    async with balancer(Node([NONCE]), None) as route:
        assert await wait_for_nonce(route, [CART], (), limit=10) is None


async def test_without_any_connection_nothing_is_proven(balancer):
    async with balancer(None) as route:
        miss = await wait_for_nonce(route, [CART], (), limit=0.1)
    assert "ConnectError" in str(miss)


async def test_a_route_forwards_when_no_node_answers_with_the_nonce_any_more(balancer):
    late = Node([NONCE] * 4 + ["service"])
    async with balancer(Node(["service"]), late) as route:
        assert await wait_until_forwarded(route, [CART], limit=10) is None
    assert len(late.paths) == 4 + 3


async def test_a_cache_that_keeps_the_nonce_is_a_miss(balancer):
    async with balancer(Node([NONCE])) as route:
        assert await wait_until_forwarded(route, [CART], limit=0.1)


async def test_the_nonce_of_a_head_is_read_with_a_get(balancer):
    head = Request("/cart", "HEAD")
    async with balancer(Node([NONCE])) as route:
        assert await wait_for_nonce(route, [head], [head], limit=10) is None
        assert await wait_until_forwarded(route, [head], limit=0.1)
