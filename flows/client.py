"""
The live client: a steady stream of requests, and a record of every response.

    python -m flows.client --url URL --path /users --path /posts --rate 250 --output answers.jsonl

It is a process of its own, so that nothing the split does can slow it down. The rate is open-loop:
a slow response does not delay the next request, as real users would not wait for each other.
No request is ever sent twice, so the record has every failure.
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

import httpcore

from flows.report.client_log import LoggedRequest, Tally, summarize
from tasks.http.connections import TIMEOUT, Connections

__all__ = ["LiveClient", "LoggedRequest", "main", "summarize"]

_FLUSH_INTERVAL: Final = 0.25
_TICK: Final = 0.002


class LiveClient:
    """
    Sends GETs to all paths in turn until it is stopped.

    Args:
        url: Where the load balancer listens, e.g. `http://127.0.0.1:8080`.
        paths: Paths with their query strings, each beginning with `/`.
        rate: Requests per second over all paths.
        output: Where the responses are recorded.
        backend_header: Response header in which a backend names itself.
        connections: Most connections open at once; the time that a request waits for one is part
            of its latency.
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
        self._paths = paths
        self._rate = rate
        self._output = output
        self._backend_header = backend_header.lower().encode()
        self._connections = Connections(url, connections)
        self._stopping = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Send nothing more; `run` returns once every request in flight has ended."""
        self._stopping.set()

    async def run(self) -> float:
        """Send and record, and return the requests per second that were really sent."""
        writer = asyncio.create_task(self._flush_regularly())
        began = time.perf_counter()
        try:
            await self._send_steadily()
            elapsed = time.perf_counter() - began
            while self._in_flight:
                await asyncio.wait(self._in_flight)
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            self._output.flush()
            await self._connections.close()
        return self.tally.requests / elapsed if elapsed else 0.0

    async def _send_steadily(self) -> None:
        """
        Start as many requests as are due, then wait for the next; a late wake-up
        catches up.
        """
        began = time.perf_counter()
        for sent, path in enumerate(itertools.cycle(self._paths)):
            wait = began + sent / self._rate - time.perf_counter()
            if wait > 0:
                # Rounding up to a tick lets one wake-up serve several requests.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), max(wait, _TICK))
            if self._stopping.is_set():
                return
            request = asyncio.create_task(self._request(path))
            self._in_flight.add(request)
            request.add_done_callback(self._in_flight.discard)

    async def _request(self, path: str) -> None:
        sent_at = time.time()
        began = time.perf_counter()
        status = 0
        backend = None
        error = None
        try:
            # A response that breaks off is an error as well.
            response = await self._connections.get(path)
            status = response.status
            backend = self._backend_of(response)
        except TimeoutError:
            error = f"no complete response within {TIMEOUT:g} s"
        except ConnectionError as failure:
            error = str(failure)
        latency = time.perf_counter() - began
        self._record(LoggedRequest(sent_at, path, status, backend, latency, error))

    def _backend_of(self, response: httpcore.Response) -> str | None:
        for name, value in response.headers:
            if name.lower() == self._backend_header:
                return value.decode("latin-1")
        return None

    def _record(self, request: LoggedRequest) -> None:
        self.tally.add(request)
        self._output.write(request.line())

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
    watch = asyncio.create_task(_stop_without_parent(client)) if options.with_parent else None
    rate = await client.run()
    if watch:
        watch.cancel()
    totals = client.tally.outcome().model_dump()
    totals["rate"] = round(rate, 1)
    return totals


async def _stop_without_parent(client: LiveClient) -> None:
    """
    Stop the client when its parent process ends.

    A parent that was killed cannot stop it, and it would send requests to a load balancer that is
    gone, for ever.
    """
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - only a reaping parent is notified of an end
        await asyncio.sleep(_FLUSH_INTERVAL)
    client.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.client", description="Send GET requests at a steady rate."
    )
    parser.add_argument(
        "--url", required=True, help="address of the load balancer, e.g. http://127.0.0.1:8080"
    )
    parser.add_argument(
        "--path",
        required=True,
        nargs="+",
        action="extend",
        type=_path,
        help="paths to request in turn",
    )
    parser.add_argument(
        "--rate", type=_positive, default=250.0, help="requests per second over all paths (250)"
    )
    parser.add_argument("--output", required=True, type=Path, help="JSON lines file to write")
    parser.add_argument(
        "--backend-header",
        default="X-Served-By",
        help="response header in which a backend names itself (X-Served-By)",
    )
    parser.add_argument(
        "--connections", type=int, default=16, help="most connections open at once (16)"
    )
    parser.add_argument(
        "--with-parent", action="store_true", help="stop when the parent process ends"
    )
    return parser


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} does not start with /; write /{text}")
    return text


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0; give requests a second, e.g. 250")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
