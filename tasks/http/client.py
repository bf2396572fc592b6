"""
HTTP requests through the load balancer: each is sent once, to exactly the configured path, and no
redirect is followed.

httpx's engine, httpcore, opens a connection at most once a request and never writes a request
twice; an idle connection that the server has closed is replaced before anything is written to it.
So every reset that a user would see is seen here as well.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, TypeAlias

import httpx

from tasks.http.failure import describe_failure
from tasks.http.pacing import pace
from tasks.http.target import request_target

__all__ = ["PREVIEW_HEADER", "Response", "Route", "Session", "fetch", "open_session"]

PREVIEW_HEADER: Final = "X-Split-Preview"
"""Request header that preview and control rules match."""

_TIMEOUT: Final = 10.0
_CONNECTIONS: Final = 16
_KEEP_ALIVE: Final = 15.0

Session: TypeAlias = httpx.AsyncClient


@dataclass(frozen=True)
class Route:
    """The load balancer's address, and the header that selects a preview or control rule."""

    url: str
    """Scheme, host and port, e.g. `http://127.0.0.1:8080`."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """The response to one request; status 0 and an error when there was no complete one."""

    status: int
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    """Looked up in any case."""
    body: bytes = b""
    latency: float = 0.0
    """Seconds until the body was complete, or until the request failed."""
    error: str | None = None
    at: float = 0.0
    """Seconds since the epoch when the request was sent."""

    @property
    def failed(self) -> bool:
        """Whether a user would call it an outage: 5xx, or no response."""
        has_no_response = self.status == 0
        return has_no_response or self.status >= 500

    @property
    def content_type(self) -> str:
        """Media type without its parameters."""
        header = str(self.headers.get("Content-Type", ""))
        media_type, _, _ = header.partition(";")
        return media_type.strip().lower()


def open_session() -> Session:
    """A session for many requests; close it with `async with`."""
    return httpx.AsyncClient(
        verify=_system_trust(),
        limits=httpx.Limits(max_connections=_CONNECTIONS, keepalive_expiry=_KEEP_ALIVE),
        timeout=None,  # noqa: S113 - `fetch` limits whole requests, httpx would every read alone
        trust_env=False,
        # A kept cookie would tie all requests to one target group where the listener is sticky.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


@cache
def _system_trust() -> ssl.SSLContext:
    """The system's certificate store, which may have a private authority; httpx uses its own."""
    return ssl.create_default_context()


async def fetch(session: Session, route: Route, path: str) -> Response:
    """Send one GET; a request without a complete response within 10 seconds is a `Response` too."""
    await pace().turn()
    sending = _Sending()
    try:
        response = await _get(session, route, path)
    except TimeoutError:
        return sending.failed(f"no complete response within {_TIMEOUT:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
        return sending.failed(describe_failure(failure))
    pace().observe(response.status_code)
    return sending.completed(response)


class _Sending:
    """Times one request from now on."""

    def __init__(self) -> None:
        self._sent_at = time.time()
        self._started = time.perf_counter()

    def completed(self, response: httpx.Response) -> Response:
        return Response(
            status=response.status_code,
            headers=response.headers,
            body=response.content,
            latency=time.perf_counter() - self._started,
            at=self._sent_at,
        )

    def failed(self, error: str) -> Response:
        latency = time.perf_counter() - self._started
        return Response(0, latency=latency, error=error, at=self._sent_at)


async def _get(session: Session, route: Route, path: str) -> httpx.Response:
    async with asyncio.timeout(_TIMEOUT):
        return await session.get(
            route.url,
            headers=route.headers,
            # httpx would normalize a path in the URL.
            extensions={"target": request_target(path)},
        )
