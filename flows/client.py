"""
The live client: a steady stream of requests, and a record of every answer.

    python -m flows.client --url URL --path /users --path /posts --rate 250 --output answers.jsonl

It is a process of its own, so that nothing the split does can slow it down. The rate is open-loop:
a slow answer does not hold back the next request, as real users would not wait for each other.
Nothing is ever sent twice, so whatever went wrong stands in the record.
"""

import argparse
import asyncio
import itertools
import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

import aiohttp
from yarl import URL

from flows.report.client_log import LoggedRequest, Tally, summarize

__all__ = ["LiveClient", "LoggedRequest", "main", "summarize"]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_FLUSH_INTERVAL: Final = 0.25
_TICK: Final = 0.002


class LiveClient:
    """
    Sends GETs to all paths in turn until it is told to stop.

    Args:
        url: Where the load balancer answers, e.g. `http://127.0.0.1:8080`.
        paths: Paths with their query strings, each beginning with `/`.
        rate: Requests per second over all paths.
        output: Where the answers are written.
        backend_header: Name of the response header that says who answered.
        connections: Most connections open at once; a request that waits for one is already being
            timed.
    """

    def __init__(
        self,
        url: str,
        paths: Sequence[str],
        *,
        rate: float,
        output: TextIO,
        backend_header: str = "X-Served-By",
        connections: int = 16,
    ) -> None:
        self.tally = Tally()
        self._urls = [(path, URL(url.rstrip("/") + path)) for path in paths]
        self._rate, self._output = rate, output
        self._backend_header, self._connections = backend_header, connections
        self._stopping = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Send nothing more; `run` returns once everything sent is answered."""
        self._stopping.set()

    async def run(self) -> float:
        """Send, record, and return the requests per second that were really sent."""
        # Cookies would bind the client to one target group where the listener has stickiness.
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_TIMEOUT,
        ) as session:
            # aiohttp sends a GET again when a kept-alive connection breaks; that would hide a lost
            # request.
            session._retry_connection = False  # noqa: SLF001 - there is no public switch
            writer = asyncio.create_task(self._flush_regularly())
            began = time.perf_counter()
            try:
                await self._send_steadily(session)
                elapsed = time.perf_counter() - began
                while self._in_flight:
                    await asyncio.wait(self._in_flight)
            finally:
                writer.cancel()
                with suppress(asyncio.CancelledError):
                    await writer
                self._output.flush()
        return self.tally.requests / elapsed if elapsed else 0.0

    async def _send_steadily(self, session: aiohttp.ClientSession) -> None:
        """
        Start as many requests as are due, then wait for the next to be; a late
        wake-up catches up.
        """
        began = time.perf_counter()
        for sent, (path, url) in enumerate(itertools.cycle(self._urls)):
            wait = began + sent / self._rate - time.perf_counter()
            if wait > 0:
                # Rounding up to a tick lets one wake-up serve several requests.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), max(wait, _TICK))
            if self._stopping.is_set():
                return
            request = asyncio.create_task(self._request(session, path, url))
            self._in_flight.add(request)
            request.add_done_callback(self._in_flight.discard)

    async def _request(self, session: aiohttp.ClientSession, path: str, url: URL) -> None:
        sent_at, began = time.time(), time.perf_counter()
        status, backend, error = 0, None, None
        try:
            async with session.get(url, allow_redirects=False) as response:
                backend = response.headers.get(self._backend_header)
                # An answer that breaks off is none.
                await response.read()
                status = response.status
        except TimeoutError:
            error = f"no complete answer within {_TIMEOUT.total:g} s"
        except (aiohttp.ClientError, OSError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        self._record(
            LoggedRequest(sent_at, path, status, backend, time.perf_counter() - began, error)
        )

    def _record(self, answer: LoggedRequest) -> None:
        self.tally.add(answer)
        self._output.write(answer.line())

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_INTERVAL)
            self._output.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client until SIGTERM or SIGINT, then print the totals as one JSON line."""
    options = _parser().parse_args(arguments)
    with options.output.open("w", encoding="utf-8") as output:
        summary = asyncio.run(_run(options, output))
    print(json.dumps(summary), flush=True)
    return 0


async def _run(options: argparse.Namespace, output: TextIO) -> dict[str, object]:
    client = LiveClient(
        options.url,
        options.path,
        rate=options.rate,
        output=output,
        backend_header=options.backend_header,
        connections=options.connections,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, client.stop)
    parent = asyncio.create_task(_stop_without_parent(client)) if options.with_parent else None
    rate = await client.run()
    if parent:
        parent.cancel()
    return {**client.tally.outcome().model_dump(), "rate": round(rate, 1)}


async def _stop_without_parent(client: LiveClient) -> None:
    """
    A starter that was killed cannot end the client; it would call a torn-down load balancer for
    ever.
    """
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - the system tells nobody but the parent's own parent
        await asyncio.sleep(_FLUSH_INTERVAL)
    client.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.client", description="Call paths at a steady rate."
    )
    parser.add_argument(
        "--url", required=True, help="where the load balancer answers, e.g. http://127.0.0.1:8080"
    )
    parser.add_argument(
        "--path",
        required=True,
        nargs="+",
        action="extend",
        type=_path,
        help="paths to call in turn",
    )
    parser.add_argument(
        "--rate", type=_positive, default=250.0, help="requests per second over all paths (250)"
    )
    parser.add_argument("--output", required=True, type=Path, help="JSON lines file, written anew")
    parser.add_argument(
        "--backend-header", default="X-Served-By", help="response header that names who answered"
    )
    parser.add_argument("--connections", type=int, default=16, help="most connections at once (16)")
    parser.add_argument(
        "--with-parent", action="store_true", help="end when the program that started this one ends"
    )
    return parser


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with /; write /{text}")
    return text


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(
            f"{text} is not above 0; give requests per second, e.g. 250"
        )
    return value


if __name__ == "__main__":
    raise SystemExit(main())
