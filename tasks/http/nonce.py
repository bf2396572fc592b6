"""
Whether requests with a private header are answered by the listener rule for that header.

The rule first answers with a nonce, a random value that nothing else can answer with. A change of a
rule takes seconds to reach every node of a load balancer, so a route counts only when every address
has answered as expected several times in a row.
"""

import asyncio
import hashlib
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Final

import httpcore

from tasks.http.client import PREVIEW_HEADER, Response, Route, fetch
from tasks.http.request import Request
from tasks.http.session import Session, open_session, proxy_for

__all__ = ["Miss", "nonce_of", "wait_for_nonce", "wait_until_forwarded"]

_IN_A_ROW: Final = 3
_AT_ONCE: Final = 8
_PAUSE: Final = 0.25

Expected = Callable[[Response], bool]


@dataclass(frozen=True)
class Miss:
    """The request that was still not answered as expected when the time was over."""

    request: Request
    response: Response
    address: str | None = None
    """The address that gave the response; None where it is not known."""

    def __str__(self) -> str:
        """For example `GET /api/users/1 at 10.0.0.5: status 200`."""
        place = f" at {self.address}" if self.address else ""
        found = self.response.error or f"status {self.response.status}"
        return f"{self.request}{place}: {found}"


def nonce_of(route: Route) -> str:
    """
    The nonce of a private route.

    It is a hash of the secret header's value, so that a server which answers with the request's own
    headers does not answer with it.
    """
    value = route.headers[PREVIEW_HEADER]
    return hashlib.sha256(value.encode()).hexdigest()


async def wait_for_nonce(
    route: Route, requests: Sequence[Request], others: Sequence[Request], limit: float
) -> Miss | None:
    """
    Wait until a route answers with its nonce.

    Args:
        route: The private route.
        requests: At least one for each of its rules; sent several times to every address.
        others: Further requests; each has to get the nonce once.
        limit: Seconds.

    Returns:
        None when it does; otherwise the request that does not get it.
    """
    nonce = nonce_of(route).encode()
    deadline = time.monotonic() + limit

    def is_nonce(response: Response) -> bool:
        return response.body == nonce

    async with open_session() as session:
        first = _as_gets(requests)
        miss = await _wait_in_a_row(session, route, first, is_nonce, deadline)
        if miss:
            return miss
        return await _wait_once_each(session, route, _as_gets(others), is_nonce, deadline)


async def wait_until_forwarded(
    route: Route, requests: Sequence[Request], limit: float
) -> Miss | None:
    """
    Wait until a route that answered with its nonce does so no more: it is forwarded instead.

    Args:
        route: The private route.
        requests: At least one for each of its rules.
        limit: Seconds.

    Returns:
        None when it is; otherwise the request that still gets the nonce.
    """
    nonce = nonce_of(route).encode()
    deadline = time.monotonic() + limit

    def is_forwarded(response: Response) -> bool:
        return response.status > 0 and response.body != nonce

    async with open_session() as session:
        first = _as_gets(requests)
        return await _wait_in_a_row(session, route, first, is_forwarded, deadline)


def _as_gets(requests: Sequence[Request]) -> list[Request]:
    """The same as GETs: the response to a HEAD has no body, and so no nonce."""
    return [replace(request, method="GET") for request in requests]


async def _wait_in_a_row(
    session: Session,
    route: Route,
    requests: Sequence[Request],
    expected: Expected,
    deadline: float,
) -> Miss | None:
    """Until every address has answered all requests as expected, in a row; or the last miss."""
    needed = max(_IN_A_ROW, len(requests))
    streaks: dict[str | None, int] = {}
    upcoming = cycle(requests)
    while True:
        addresses = await _addresses(route)
        request = next(upcoming)
        misses = await _ask_each(session, route, request, addresses, expected, streaks)
        if min(streaks.get(address, 0) for address in addresses) >= needed:
            return None
        if misses:
            if time.monotonic() >= deadline:
                return misses[0]
            await asyncio.sleep(_PAUSE)


async def _ask_each(
    session: Session,
    route: Route,
    request: Request,
    addresses: Sequence[str | None],
    expected: Expected,
    streaks: dict[str | None, int],
) -> list[Miss]:
    """Send a request to every address, and count the expected answers of each in a row."""
    routes = [route.at(address) if address else route for address in addresses]
    responses = await asyncio.gather(*(fetch(session, one, request) for one in routes))
    reached = any(response.status for response in responses)
    misses = []
    for address, response in zip(addresses, responses, strict=True):
        # Checks do not reach either what cannot be connected to, e.g. IPv6 from an IPv4 network.
        unreachable = reached and response.is_refused
        if expected(response) or unreachable:
            streaks[address] = streaks.get(address, 0) + 1
        else:
            streaks[address] = 0
            misses.append(Miss(request, response, address))
    return misses


async def _wait_once_each(
    session: Session,
    route: Route,
    requests: Sequence[Request],
    expected: Expected,
    deadline: float,
) -> Miss | None:
    """
    Until every request was answered as expected once; or the last miss.

    Many requests, paced, take longer than a rule does: one that misses late is asked again, too.
    """
    left = list(requests)
    asked: Counter[Request] = Counter()
    while left:
        batch = left[:_AT_ONCE]
        responses = await asyncio.gather(*(fetch(session, route, request) for request in batch))
        missed = []
        asked.update(batch)
        for request, response in zip(batch, responses, strict=True):
            if not expected(response):
                missed.append(Miss(request, response))
        left = [*left[_AT_ONCE:], *(miss.request for miss in missed)]
        if missed:
            final = [miss for miss in missed if asked[miss.request] >= _IN_A_ROW]
            if final and time.monotonic() >= deadline:
                return final[0]
            await asyncio.sleep(_PAUSE)
    return None


async def _addresses(route: Route) -> Sequence[str | None]:
    """The addresses that the route's host has now; None where a proxy or nobody resolves it."""
    url = httpcore.URL(route.url)
    host = url.host.decode("ascii")
    connected = route.address or host
    if proxy_for(url.scheme.decode("ascii"), connected):
        return [None]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            connected,
            url.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
    except socket.gaierror:
        return [None]
    return sorted({str(item[4][0]) for item in found})
