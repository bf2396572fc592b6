"""Whether the listener can be reached from here."""

import socket
from types import SimpleNamespace

import pytest

from config.split import ListenerConfig
from tasks.preflight.finding import errors
from tasks.preflight.monolith import check_listener


def findings(url, *, scheme="internet-facing", protocol="HTTP", configured=True):
    found = SimpleNamespace(
        alb_url=url, alb_address=None, load_balancer_scheme=scheme, listener_protocol=protocol
    )
    return errors(check_listener(ListenerConfig(url=url if configured else None), found))


@pytest.fixture
def closed():
    """URL of a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_listener_that_answers_is_no_finding():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert findings(f"http://127.0.0.1:{server.getsockname()[1]}") == []


def test_an_internal_load_balancer_out_of_reach_needs_a_worker_in_its_vpc(closed):
    (line,) = findings(closed, scheme="internal", configured=False)
    assert line.startswith(f"listener.load_balancer: {closed} cannot be reached from here (")
    assert "the load balancer is internal; run this on a worker inside the VPC" in line


def test_a_url_out_of_reach_is_named(closed):
    (line,) = findings(closed)
    assert line.startswith(f"listener.url: {closed} cannot be reached from here (")


def test_behind_a_proxy_no_connection_of_its_own_is_tried(closed, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert findings(closed) == []


def test_an_https_listener_needs_the_url_that_its_certificate_covers():
    (line,) = findings("https://lb.amazonaws.com:443", protocol="HTTPS", configured=False)
    assert line.startswith("listener.url: is not given")
