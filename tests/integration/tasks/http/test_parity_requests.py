"""Parity between two real servers: what is noise, what shows nothing, and what differs."""

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from config.errors import CheckFailed
from config.proof.requests import Check, Parity
from config.service import ServiceConfig
from tasks.http.client import Route
from tasks.http.comparison.parity import compare_with_monolith
from tasks.http.request import Request


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        status, answer = self.server.answer(self.path, self.headers)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Starts servers that answer by a function of path and headers."""
    started = []

    def start(answer):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.answer, server.asked = answer, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        started.append((server, thread))
        server.route = Route(f"http://127.0.0.1:{server.server_address[1]}")
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


def cart(checks=(), **parity):
    return ServiceConfig(
        name="cart",
        path_patterns=("/cart*",),
        image="cart:1",
        checks=checks,
        parity=Parity(**parity),
    )


async def compare(service, monolith, candidate, *paths, **request):
    requests = [Request(path, **request) for path in paths]
    return await compare_with_monolith.fn(service, monolith.route, candidate.route, requests)


async def test_what_the_monolith_changes_from_one_answer_to_the_next_is_ignored_and_named(serve):
    clock = itertools.count()
    monolith = serve(lambda *_: (200, {"id": 1, "at": next(clock)}))
    result = await compare(cart(), monolith, serve(lambda *_: (200, {"id": 1, "at": 99})), "/cart")
    assert (result.matched, result.noise) == (1, ["GET /cart: /at"])
    assert str(result) == "parity: 1/1 responses match; ignored as noise: GET /cart: /at"
    with pytest.raises(CheckFailed, match="1/1 responses differ"):
        await compare(cart(), monolith, serve(lambda *_: (200, {"id": 2, "at": 99})), "/cart")


async def test_noise_that_shows_only_now_and_then_is_found_where_the_service_differs(serve):
    lots = itertools.chain([1, 1, 2], itertools.repeat(1))
    monolith = serve(lambda *_: (200, {"lot": next(lots)}))
    result = await compare(cart(), monolith, serve(lambda *_: (200, {"lot": 3})), "/cart")
    assert result.noise == ["GET /cart: /lot"]


async def test_a_login_that_both_ask_for_proves_nothing_and_fails_with_the_remedy(serve):
    closed = serve(lambda *_: (401, {}))
    with pytest.raises(
        CheckFailed, match=r"none of 2 pairs .* give parity request_headers"
    ) as found:
        await compare(cart(), closed, closed, "/cart", "/cart/1")
    assert found.value.numbers["inconclusive"] == [
        "GET /cart: both answered 401",
        "GET /cart/1: both answered 401",
    ]


async def test_with_the_header_that_users_send_the_same_pair_shows_the_difference(serve):
    def answer(name):
        return lambda _, headers: (200, name) if headers.get("Authorization") else (401, {})

    with pytest.raises(CheckFailed, match='monolith:  "shop"\n      candidate: "cart"'):
        await compare(
            cart(),
            serve(answer("shop")),
            serve(answer("cart")),
            "/cart",
            headers={"Authorization": "Bearer 1"},
        )


async def test_one_pair_that_shows_nothing_is_counted_apart(serve):
    both = serve(lambda path, _: (404 if path == "/cart/none" else 200, {}))
    result = await compare(cart(), both, both, "/cart", "/cart/none")
    assert str(result) == "parity: 1/2 responses match, 1 inconclusive"


async def test_an_error_that_a_check_expects_counts(serve):
    both = serve(lambda *_: (404, {}))
    service = cart(checks=(Check(path="/cart/none", status=404),))
    result = await compare(service, both, both, "/cart/none")
    assert (result.matched, result.inconclusive) == (1, [])


async def test_a_head_is_compared_by_status_and_headers(serve):
    both = serve(lambda *_: (200, {"id": 1}))
    result = await compare(cart(), both, both, "/cart", method="HEAD")
    assert result.matched == 1
    assert {method for method, _, _ in both.asked} == {"HEAD"}


async def test_the_monolith_is_asked_before_and_after_the_service(serve):
    order = []

    def named(name):
        return lambda *_: (order.append(name), (200, {}))[1]

    await compare(cart(), serve(named("shop")), serve(named("cart")), "/cart")
    assert order == ["shop", "cart", "shop"]
