"""
Connections for the tool's own requests, direct or through the proxy that the environment names.

httpcore opens a connection at most once a request and never writes a request twice; an idle
connection that the server has closed is replaced before anything is written to it. httpx, which
stands on it, would rewrite the path, and would send the path in place of the host to a proxy.
"""

import ipaddress
import ssl
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

__all__ = ["Session", "open_session", "proxy_for"]

_CONNECTIONS: Final = 16
_KEEP_ALIVE: Final = 15.0


class Session:
    """
    Kept-alive connections for many requests.

    No cookie is kept: it would tie all requests to one target group where the listener is sticky.
    """

    def __init__(self) -> None:
        self._pools: dict[str | None, httpcore.AsyncConnectionPool] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    async def send(
        self,
        method: str,
        url: httpcore.URL,
        headers: Mapping[str, str],
        *,
        address: str | None = None,
    ) -> httpx.Response:
        """
        Send one request, once, and read the whole response.

        Args:
            method: `GET` or `HEAD`.
            url: With the request target as it is to be sent.
            headers: Without `Host`, which comes from the URL.
            address: Address or host name to connect to in place of the URL's host.

        Raises:
            httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, httpx.DecodingError,
                OSError: There is no complete response.
        """
        host = url.host.decode("ascii")
        proxy = proxy_for(url.scheme.decode("ascii"), address or host)
        lines = [(b"Host", _host_header(url)), *_encoded(headers)]
        extensions = {}
        if address:
            url = httpcore.URL(scheme=url.scheme, host=address, port=url.port, target=url.target)
            extensions["sni_hostname"] = host
        found = await self._pool(proxy).request(method, url, headers=lines, extensions=extensions)
        return httpx.Response(found.status, headers=found.headers, content=found.content)

    def _pool(self, proxy: str | None) -> httpcore.AsyncConnectionPool:
        if proxy not in self._pools:
            self._pools[proxy] = httpcore.AsyncConnectionPool(
                ssl_context=_system_trust(),
                proxy=_proxy(proxy) if proxy else None,
                max_connections=_CONNECTIONS,
                keepalive_expiry=_KEEP_ALIVE,
            )
        return self._pools[proxy]


def open_session() -> Session:
    """A session; close it with `async with`."""
    return Session()


def proxy_for(scheme: str, host: str) -> str | None:
    """
    The proxy that the environment names for a host: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

    A proxy cannot reach this machine's own loopback addresses.
    """
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or _is_loopback(host) or proxy_bypass(host):
        return None
    return proxy


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy(url: str) -> httpcore.Proxy:
    """A proxy as httpcore takes it; user and password go in a header of their own."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    port = f":{parts.port}" if parts.port else ""
    user = unquote(parts.username or "")
    password = unquote(parts.password or "")
    return httpcore.Proxy(
        f"{parts.scheme}://{parts.hostname}{port}",
        auth=(user, password) if user else None,
        ssl_context=_system_trust() if parts.scheme == "https" else None,
    )


def _host_header(url: httpcore.URL) -> bytes:
    """The host, with its port where that is not the scheme's own."""
    defaults = {b"http": 80, b"https": 443}
    if url.port is None or url.port == defaults.get(url.scheme):
        return url.host
    return b"%b:%d" % (url.host, url.port)


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]


@cache
def _system_trust() -> ssl.SSLContext:
    """The system's certificate store, which may have a private authority."""
    return ssl.create_default_context()
