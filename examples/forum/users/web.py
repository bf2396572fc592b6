"""
The web server of a forum service: routes in, JSON out, one log line a request, and a stop that
fails nobody.

A service is a build context of its own, as it would be a repository of its own; so each of the four
carries this file.
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Routes = Mapping[str, Callable[..., Any]]
"""
Regular expression for the whole path -> function of its groups, which returns text, JSON data, or
None (204).
"""

# Read once: they make a bad candidate of a good service, for rehearsals (README.md).
DELAY = float(os.environ.get("FORUM_DELAY_MS", "0")) / 1000
WRONG_JSON = os.environ.get("FORUM_WRONG_JSON") == "1"
FAIL_SHARE = float(os.environ.get("FORUM_FAIL_SHARE", "0"))
FAIL_STATUS = int(os.environ.get("FORUM_FAIL_STATUS", "500"))
FAIL_UNLESS_HEADER = os.environ.get("FORUM_FAIL_UNLESS_HEADER", "")
MAX_RATE = float(os.environ.get("FORUM_MAX_RATE", "0"))
CRASH = os.environ.get("FORUM_CRASH") == "1"

# An idle load balancer connection lives 60 s: a server that gave up first would cut off a request
# on its way.
KEEP_ALIVE = 75
# Seconds for requests that were on their way when the stop came, and for those being answered.
LAST_REQUESTS = 0.2
LAST_ANSWERS = 20
# Requests that may come at once where there is a highest rate: those of a second.
BURST = max(MAX_RATE, 1.0)


class Server(ThreadingHTTPServer):
    """Knows its open connections, so that it can end them without cutting off an answer."""

    request_queue_size = 256

    def __init__(self, name: str, routes: Routes, address: tuple[str, int]) -> None:
        super().__init__(address, Connection)
        self.name = name
        self.routes = [(re.compile(pattern), function) for pattern, function in routes.items()]
        self.stopping = False
        self.connections: set[socket.socket] = set()
        self.changed = threading.Condition()
        self.capacity = BURST
        self.refilled = time.monotonic()

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)

    def has_capacity(self) -> bool:
        """Whether one more request can be answered at `FORUM_MAX_RATE`."""
        with self.changed:
            now = time.monotonic()
            refill = (now - self.refilled) * MAX_RATE
            self.capacity = min(BURST, self.capacity + refill)
            self.refilled = now
            if self.capacity < 1:
                return False
            self.capacity -= 1
            return True

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a new connection in a thread of its own."""
        with self.changed:
            self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that has ended."""
        super().shutdown_request(request)
        with self.changed:
            self.connections.discard(request)
            self.changed.notify_all()

    def stop(self) -> None:
        """
        Accept nothing new, answer what has come in, and return when every
        connection is closed.
        """
        self.stopping = True
        self.shutdown()
        self.socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:  # the system accepted these already
                self.process_request(*self.get_request())
        self.server_close()
        with self.changed:
            self.changed.wait_for(lambda: not self.connections, LAST_REQUESTS)
            for connection in self.connections:
                with contextlib.suppress(OSError):  # closed by the client
                    connection.shutdown(socket.SHUT_RD)
            self.changed.wait_for(lambda: not self.connections, LAST_ANSWERS)


class Connection(BaseHTTPRequestHandler):
    """One keep-alive connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = KEEP_ALIVE
    wbufsize = -1  # head and body leave in one packet

    def handle(self) -> None:
        """
        Answer requests until one side ends the connection; a client that is gone already is no
        fault.
        """
        with contextlib.suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        """Send what is left to send, to whoever is left."""
        with contextlib.suppress(ConnectionError):
            super().finish()

    def do_GET(self) -> None:
        """Answer by the first route that matches."""
        began = time.perf_counter()
        path = self.path.partition("?")[0]
        status, answer = self._fault(path) or self._route(path)
        self._send(status, answer)
        print(
            f"{self.command} {self.path} {status} {(time.perf_counter() - began) * 1000:.1f} ms",
            flush=True,
        )

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def do_POST(self) -> None:
        """Refuse: the forum is read-only."""
        self.close_connection = True  # the body is left unread
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed")
        print(f"{self.command} {self.path} {HTTPStatus.METHOD_NOT_ALLOWED:d}", flush=True)

    do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815

    def _route(self, path: str) -> tuple[int, Any]:
        for pattern, function in self.server.routes:
            found = pattern.fullmatch(path)
            if found:
                answer = function(*found.groups())
                return (204 if answer is None else 200), answer
        return 404, "Not Found"

    def _fault(self, path: str) -> tuple[int, Any] | None:
        """What goes wrong on purpose; the health check at `/` is spared."""
        if path == "/":
            return None
        if MAX_RATE and not self.server.has_capacity():
            return 503, "Service Unavailable"
        if DELAY:
            time.sleep(DELAY)  # a slow backend, on request: the delay is the fault
        spared = bool(FAIL_UNLESS_HEADER) and FAIL_UNLESS_HEADER in self.headers
        if FAIL_SHARE and not spared and random.random() < FAIL_SHARE:  # noqa: S311 - no secret
            return FAIL_STATUS, HTTPStatus(FAIL_STATUS).phrase
        if WRONG_JSON:
            return 200, {"wrong": self._route(path)[1]}
        return None

    def _send(self, status: int, answer: Any) -> None:
        text = isinstance(answer, str)
        body = answer.encode() if text else json.dumps(answer).encode()
        self.send_response_only(status)
        if status == HTTPStatus.NO_CONTENT:
            body = b""
        else:
            self.send_header(
                "Content-Type", f"{'text/plain' if text else 'application/json'}; charset=utf-8"
            )
            self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        """Say who answers, and to a client that would come back: not here."""
        self.send_header("X-Served-By", self.server.name)
        if self.server.stopping or self.close_connection:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Keep-Alive", f"timeout={KEEP_ALIVE}")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log what the base class finds wrong with a request."""
        print(format % args, flush=True)


def serve(name: str, routes: Routes) -> None:
    """Serve until SIGTERM or SIGINT."""
    if CRASH:
        print("FORUM_CRASH=1: crashing", flush=True)
        sys.exit(1)
    # Blocked and waited for: process 1 of a container has no default action to fall back on.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    server = Server(
        name, routes, (os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "3000")))
    )
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    ).start()
    print(f"{name} listens on port {server.server_address[1]}", flush=True)
    print(f"{signal.Signals(signal.sigwait(ends)).name}: finishing", flush=True)
    server.stop()
