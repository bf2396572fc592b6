"""
HTTP requests through the load balancer: each is sent once, to exactly the configured path, and no
redirect is followed.

No request is ever written twice, so every reset that a user would see is seen here as well.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import httpcore
import httpx

from tasks.http.failure import describe_failure
from tasks.http.pacing import pace
from tasks.http.request import USER_AGENT, Request, as_request
from tasks.http.session import Session, open_session
from tasks.http.target import request_target

__all__ = ["PREVIEW_HEADER", "Response", "Route", "Session", "fetch", "open_session"]

PREVIEW_HEADER: Final = "X-Split-Preview"
"""Request header that preview and control rules match."""

_TIMEOUT: Final = 10.0
_HEADERS: Final[Mapping[str, str]] = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": USER_AGENT,
}
_FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    httpx.DecodingError,
    OSError,
)


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
    is_refused: bool = False
    """Whether no connection could be opened."""

    @property
    def failed(self) -> bool:
        """Whether a user would call it an outage: 5xx, or no response."""
        has_no_response = self.status == 0
        return has_no_response or self.status >= 500

    @property
    def is_from_cdn_cache(self) -> bool:
        """Whether a content delivery network gave it without asking the load balancer."""
        return self.cdn_cache is not None

    @property
    def cdn_cache(self) -> str | None:
        """The header of the content delivery network that gave it from its cache, else None."""
        cloudfront = str(self.headers.get("X-Cache", ""))
        if cloudfront.lower().endswith("hit from cloudfront"):
            return f"X-Cache: {cloudfront}"
        cloudflare = str(self.headers.get("CF-Cache-Status", ""))
        if cloudflare.lower() == "hit":
            return f"CF-Cache-Status: {cloudflare}"
        return None

    @property
    def content_type(self) -> str:
        """Media type without its parameters."""
        header = str(self.headers.get("Content-Type", ""))
        media_type, _, _ = header.partition(";")
        return media_type.strip().lower()


@dataclass(frozen=True)
class Route:
    """The load balancer's address, and the header that selects a preview or control rule."""

    url: str
    """Scheme, host and port, e.g. `http://127.0.0.1:8080`."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request; their values may be secret."""
    address: str | None = None
    """Address or host name to connect to in place of the URL's host."""
    record: Callable[[Request, Response], None] | None = field(
        default=None, repr=False, compare=False
    )
    """Called with every request that is sent on the route, and its response."""

    def recording_in(self, record: Callable[[Request, Response], None]) -> "Route":
        """The same route, every request of which is recorded."""
        return replace(self, record=record)

    def with_headers(self, headers: Mapping[str, str]) -> "Route":
        """The same route with further headers; its own stay."""
        return replace(self, headers={**headers, **self.headers})

    def at(self, address: str) -> "Route":
        """The same route through one of the addresses of its host."""
        return replace(self, address=address)


async def fetch(session: Session, route: Route, request: Request | str) -> Response:
    """
    Send one request; without a complete response within 10 seconds that is a `Response` too.

    Args:
        session: The connections to use.
        route: Where it is sent.
        request: What is sent; a plain path means a GET.
    """
    sent = as_request(request)
    response = await _fetch(session, route, sent)
    if route.record:
        route.record(sent, response)
    return response


async def _fetch(session: Session, route: Route, request: Request) -> Response:
    await pace().turn()
    sending = _Sending()
    try:
        response = await _send(session, route, request)
    except TimeoutError:
        return sending.failed(f"no complete response within {_TIMEOUT:g} s")
    except _FAILURES as failure:
        refused = isinstance(failure, httpcore.ConnectError)
        return sending.failed(describe_failure(failure), is_refused=refused)
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

    def failed(self, error: str, *, is_refused: bool = False) -> Response:
        return Response(
            status=0,
            latency=time.perf_counter() - self._started,
            error=error,
            at=self._sent_at,
            is_refused=is_refused,
        )


async def _send(session: Session, route: Route, request: Request) -> httpx.Response:
    base = httpcore.URL(route.url)
    url = httpcore.URL(
        scheme=base.scheme,
        host=base.host,
        port=base.port,
        target=request_target(request.path),
    )
    headers = _merged(_HEADERS, request.headers, route.headers)
    async with asyncio.timeout(_TIMEOUT):
        return await session.send(request.method, url, headers, address=route.address)


def _merged(*groups: Mapping[str, str]) -> dict[str, str]:
    """All headers; of one that is given twice, in any case of its name, the last value."""
    merged: dict[str, tuple[str, str]] = {}
    for group in groups:
        for name, value in group.items():
            merged[name.lower()] = (name, value)
    return dict(merged.values())
