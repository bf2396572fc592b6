"""
Kept-alive connections for a program that sends hundreds of requests a second.

httpx's engine, httpcore, without the layers above it, which cost three times the CPU. A connection
of it carries one request at a time and never sends one twice. No cookie is kept, which would tie
all requests to one target group where the listener is sticky.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpcore

from tasks.http.failure import describe_failure
from tasks.http.target import request_target

__all__ = ["TIMEOUT", "Connections"]

TIMEOUT: Final = 10.0
"""Seconds."""
_KEEP_ALIVE: Final = 15.0
_HEADERS: Final = (
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, deflate"),
    (b"User-Agent", b"ecs-splitter"),
)


class Connections:
    """
    Connections to one address.

    Args:
        url: Scheme, host and port, e.g. `http://127.0.0.1:8080`; a path of it precedes all others.
        most: Most connections open at once.
    """

    def __init__(self, url: str, most: int) -> None:
        self._base = httpcore.URL(url)
        self._most = asyncio.Semaphore(most)
        self._idle: list[httpcore.AsyncHTTPConnection] = []
        self._trust = ssl.create_default_context()

    async def close(self) -> None:
        """Close all connections; none may be in use."""
        while self._idle:
            await self._idle.pop().aclose()

    async def get(self, path: str) -> httpcore.Response:
        """
        Send one GET, once, and read the whole response.

        Args:
            path: Path with its query string; it is sent byte for byte.

        Raises:
            TimeoutError: It was not complete within 10 seconds; waiting for a connection counts.
            ConnectionError: The connection could not be opened, broke, or was not HTTP.
        """
        try:
            async with asyncio.timeout(TIMEOUT), self._take() as connection:
                return await connection.request("GET", self._url(path), headers=_HEADERS)
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise ConnectionError(describe_failure(error)) from error

    def _url(self, path: str) -> httpcore.URL:
        prefix = self._base.target.rstrip(b"/")
        return httpcore.URL(
            scheme=self._base.scheme,
            host=self._base.host,
            port=self._base.port,
            target=prefix + request_target(path),
        )

    @asynccontextmanager
    async def _take(self) -> AsyncIterator[httpcore.AsyncHTTPConnection]:
        """The connection that was used last, so that as few as possible stay open."""
        async with self._most:
            connection = await self._reuse() or self._new()
            try:
                yield connection
            finally:
                self._idle.append(connection)

    async def _reuse(self) -> httpcore.AsyncHTTPConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not (connection.is_closed() or connection.has_expired()):
                return connection
            await connection.aclose()
        return None

    def _new(self) -> httpcore.AsyncHTTPConnection:
        return httpcore.AsyncHTTPConnection(
            self._base.origin, ssl_context=self._trust, keepalive_expiry=_KEEP_ALIVE
        )
