"""How long servers keep idle connections, against real servers and the sandbox's load balancer."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from config.aws import AwsConfig
from tasks.elbv2.listener import read_idle_timeout
from tasks.elbv2.target_group import read_healthy_targets
from tasks.http.keep_alive import judge_keep_alive, observe_keep_alive
from tests.integration.sandbox.elbv2.sandbox_alb import Traffic, eventually, forward, served_site
from tests.ports import free_port


def response(*headers, body=b"ok"):
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def serving(sent, closes_after=None):
    """A server that answers each request with `sent`, and closes idle connections."""

    handlers = {}

    async def serve(reader, writer):
        handlers[asyncio.current_task()] = writer
        try:
            while True:
                async with asyncio.timeout(closes_after):
                    await reader.readuntil(b"\r\n\r\n")
                writer.write(sent)
        except (asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for writer in handlers.values():
            writer.close()
        await asyncio.gather(*handlers)


async def judged(sent, *, closes_after=None, wait=0.3, idle_timeout=60):
    async with serving(sent, closes_after) as port:
        observed = await observe_keep_alive("127.0.0.1", port, "/", wait, enough=idle_timeout)
    return observed, judge_keep_alive(observed, idle_timeout)


async def test_a_server_that_closes_an_idle_connection_first_is_named():
    observed, result = await judged(response(), closes_after=1, wait=6)
    assert 0.9 <= observed.closed_after <= 2
    assert result.verdict == "fail"
    assert result.text.startswith(f"keep-alive: {observed.target} closed an idle connection after")
    assert "above 60 s, or set keep_alive.allow_short: true" in result.text


async def test_a_server_that_announces_a_short_timeout_is_named_without_waiting_for_it():
    observed, result = await judged(response("Keep-Alive: timeout=5"), wait=0)
    assert (observed.announced, result.verdict) == (5, "fail")
    assert "announces a timeout of 5 s" in result.text


@pytest.mark.parametrize(("announced", "verdict"), [(59, "fail"), (60, "fail"), (61, "pass")])
async def test_the_timeout_has_to_be_longer_than_the_load_balancers(announced, verdict):
    _, result = await judged(response(f"keep-alive: max=100, Timeout={announced}"), wait=0)
    assert result.verdict == verdict


async def test_a_server_that_announces_a_long_timeout_is_not_waited_for():
    async with asyncio.timeout(5):
        _, result = await judged(response("Keep-Alive: timeout=75"), wait=60)
    assert result.verdict == "pass"


@pytest.mark.parametrize(
    "sent",
    [response("Connection: close"), b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    ids=["Connection: close", "HTTP/1.0"],
)
async def test_a_server_that_announces_the_end_of_each_connection_passes(sent):
    _, result = await judged(sent, closes_after=0.01)
    assert result.verdict == "pass"


async def test_a_connection_that_outlives_the_wait_but_not_the_idle_timeout_proves_nothing():
    _, result = await judged(response())
    assert result.verdict == "inconclusive"
    assert "keep_alive.wait" in result.text


async def test_a_connection_that_outlives_the_idle_timeout_passes():
    _, result = await judged(response(), wait=1.3, idle_timeout=1)
    assert result.verdict == "pass"


async def test_a_target_that_cannot_be_reached_is_not_judged():
    observed = await observe_keep_alive("127.0.0.1", free_port(), "/", 1, enough=60)
    result = judge_keep_alive(observed, 60)
    assert result.verdict == "inconclusive"
    assert "not checked" in result.text
    assert "idle timeout of 60 s" in result.text


def test_a_target_that_costs_users_a_502_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with served_site(tmp_path) as site:
        target = site.run_target()
        group = site.group(target)
        listener = site.serve(forward({group: 1}))
        eventually(lambda: listener.status() == 200)
        target.closes_silently = True
        with Traffic(listener) as traffic:
            eventually(lambda: traffic.failures, 30)
        aws = AwsConfig(region="us-east-1", endpoint_url=site.endpoint_url)
        (address, port), *_ = read_healthy_targets(aws, group)
        idle_timeout = read_idle_timeout(aws, listener.load_balancer)
        observed = asyncio.run(observe_keep_alive(address, port, "/", 6, enough=idle_timeout))
    assert traffic.failures[0].startswith("502")
    result = judge_keep_alive(observed, idle_timeout)
    assert (observed.closed_after < 1, result.verdict) == (True, "fail")
    assert "the load balancer's idle timeout is 60 s" in result.text
