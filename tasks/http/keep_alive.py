"""
How long a server keeps an idle connection, compared with the load balancer's idle timeout.

The load balancer keeps connections to its targets open between requests. If the server closes one
first, a request that is on its way at that moment is answered with 502. This cannot be seen through
the load balancer, so a target is asked directly, where its address can be reached.

Source: ELB user guide, "Troubleshoot your Application Load Balancers", HTTP 502.
"""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any, Final, Literal

import h11

from tasks.http.failure import describe_failure
from tasks.http.target import request_target

__all__ = ["KeepAliveVerdict", "Observed", "judge_keep_alive", "observe_keep_alive"]

_CONNECT: Final = 2.0
_ANSWER: Final = 10.0
_PIECE: Final = 1 << 16
_TIMEOUT: Final = re.compile(r"\btimeout\s*=\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Observed:
    """What one connection to a target has shown; times in seconds."""

    target: str
    """Address and port."""
    unreachable: str | None = None
    """Why there was no response."""
    ends_itself: bool = False
    """Whether the server announces with each response that it closes the connection."""
    announced: int | None = None
    """`timeout` of the `Keep-Alive` response header."""
    closed_after: float | None = None
    """When the server closed the idle connection; None while it was watched."""
    watched: float = 0.0
    """How long the idle connection was watched."""

    @property
    def numbers(self) -> dict[str, Any]:
        """For an event."""
        return {
            "target": self.target,
            "announced": self.announced,
            "closed_after": self.closed_after,
            "watched": self.watched,
        }


@dataclass(frozen=True)
class KeepAliveVerdict:
    """Whether a server's keep-alive suits the load balancer, and why."""

    verdict: Literal["pass", "fail", "inconclusive"]
    text: str


async def observe_keep_alive(
    address: str, port: int, path: str, wait: float, enough: float
) -> Observed:
    """
    Send one GET to a target, and watch its connection while it is idle.

    Args:
        address: IP address of the target.
        port: Port of the target.
        path: Path of the request, e.g. that of the health check.
        wait: Seconds that the idle connection is watched at most.
        enough: Seconds; a server that announces a longer timeout is not watched.
    """
    target = f"{address}:{port}"
    try:
        async with asyncio.timeout(_CONNECT):
            reader, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return Observed(target, unreachable=f"no connection within {_CONNECT:g} s")
    except OSError as error:
        return Observed(target, unreachable=describe_failure(error))
    try:
        return await _observe(_Exchange(target, reader, writer), path, wait, enough)
    finally:
        writer.close()


@dataclass(frozen=True)
class _Exchange:
    """One connection to a target."""

    target: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def _observe(exchange: _Exchange, path: str, wait: float, enough: float) -> Observed:
    connection = h11.Connection(h11.CLIENT)
    try:
        async with asyncio.timeout(_ANSWER):
            announced = await _get(exchange, connection, path)
    except TimeoutError:
        return Observed(exchange.target, unreachable=f"no response within {_ANSWER:g} s")
    except (OSError, h11.ProtocolError) as error:
        return Observed(exchange.target, unreachable=describe_failure(error))
    if connection.their_state is not h11.DONE:
        return Observed(exchange.target, ends_itself=True, announced=announced)
    if announced is not None and announced > enough:
        return Observed(exchange.target, announced=announced)
    began = time.monotonic()
    closed = await _is_closed_within(exchange.reader, wait)
    idle = round(time.monotonic() - began, 1)
    return Observed(
        exchange.target,
        announced=announced,
        closed_after=idle if closed else None,
        watched=idle,
    )


async def _get(exchange: _Exchange, connection: h11.Connection, path: str) -> int | None:
    """Send a GET, and read its whole response; returns the announced timeout."""
    headers = [("Host", exchange.target), ("User-Agent", "ecs-splitter"), ("Accept", "*/*")]
    request = h11.Request(method="GET", target=request_target(path), headers=headers)
    exchange.writer.write(connection.send(request) + connection.send(h11.EndOfMessage()))
    announced = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await exchange.reader.read(_PIECE))
        elif isinstance(event, h11.Response):
            announced = _announced(event)
        elif isinstance(event, h11.EndOfMessage):
            return announced
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError("closed without a response")


def _announced(response: h11.Response) -> int | None:
    for name, value in response.headers:
        found = _TIMEOUT.search(value.decode("latin-1"))
        if name == b"keep-alive" and found:
            return int(found[1])
    return None


async def _is_closed_within(reader: asyncio.StreamReader, wait: float) -> bool:
    """Whether the server closes the connection; data that it sends meanwhile is ignored."""
    try:
        async with asyncio.timeout(wait):
            while await reader.read(_PIECE):
                pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def judge_keep_alive(observed: Observed, idle_timeout: int) -> KeepAliveVerdict:
    """
    Judge what was observed.

    Args:
        observed: Of one target.
        idle_timeout: Of the load balancer, in seconds.
    """
    target = observed.target
    closed = observed.closed_after
    announced = observed.announced
    if observed.unreachable:
        return KeepAliveVerdict(
            "inconclusive",
            f"keep-alive: not checked, {target} cannot be reached from here "
            f"({observed.unreachable}); make sure that the server keeps idle connections longer "
            f"than the load balancer's idle timeout of {idle_timeout} s, or run where the VPC can "
            "be reached",
        )
    if observed.ends_itself:
        return KeepAliveVerdict(
            "pass", f"keep-alive: {target} announces the end of every connection"
        )
    if closed is not None and closed <= idle_timeout:
        return _too_short(f"{target} closed an idle connection after {closed:g} s", idle_timeout)
    if announced is not None and announced <= idle_timeout:
        return _too_short(f"{target} announces a timeout of {announced} s", idle_timeout)
    if announced is not None:
        return KeepAliveVerdict(
            "pass",
            f"keep-alive: {target} announces {announced} s, idle timeout is {idle_timeout} s",
        )
    return _kept_open(observed, idle_timeout)


def _kept_open(observed: Observed, idle_timeout: int) -> KeepAliveVerdict:
    watched = f"{observed.target} kept an idle connection open for {observed.watched:g} s"
    if observed.watched > idle_timeout:
        return KeepAliveVerdict("pass", f"keep-alive: {watched}, idle timeout is {idle_timeout} s")
    return KeepAliveVerdict(
        "inconclusive",
        f"keep-alive: {watched}, no longer watched; idle timeout is {idle_timeout} s (watch longer "
        "with keep_alive.wait)",
    )


def _too_short(what: str, idle_timeout: int) -> KeepAliveVerdict:
    return KeepAliveVerdict(
        "fail",
        f"keep-alive: {what}, and the load balancer's idle timeout is {idle_timeout} s: requests "
        "on connections that are being closed are answered with 502; raise the server's keep-alive "
        f"timeout above {idle_timeout} s, or set keep_alive.allow_short: true",
    )
