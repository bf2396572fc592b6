"""
HTTP requests through the load balancer, as a client makes them: one try, no
redirect followed.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp

__all__ = ["Response", "Route", "fetch", "open_session"]

_TIMEOUT: Final = 10.0
PREVIEW_HEADER: Final = "X-Split-Preview"


@dataclass(frozen=True)
class Route:
    """A way through the load balancer: its address, and the header that selects a preview rule."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """What came back; status 0 and `error` when nothing did."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    latency: float = 0.0
    """Seconds until the body was complete."""
    error: str | None = None
    at: float = 0.0
    """Seconds since the epoch when the request was sent."""

    @property
    def failed(self) -> bool:
        """Whether a user would call it an outage: 5xx or no answer."""
        return self.status == 0 or self.status >= 500

    @property
    def content_type(self) -> str:
        """Media type without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def open_session() -> aiohttp.ClientSession:
    """A session for many requests; close it, best by `async with`."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
        connector=aiohttp.TCPConnector(limit=16, keepalive_timeout=15),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def fetch(session: aiohttp.ClientSession, route: Route, path: str) -> Response:
    """GET a path; a request that gets no answer is an `Response` too."""
    sent, start = time.time(), time.perf_counter()
    try:
        async with session.get(
            f"{route.url}{path}", headers=route.headers, allow_redirects=False
        ) as response:
            body = await response.read()
            latency = time.perf_counter() - start
            return Response(response.status, response.headers.copy(), body, latency, at=sent)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        words = str(error) or type(error).__name__
        return Response(0, latency=time.perf_counter() - start, error=words, at=sent)
