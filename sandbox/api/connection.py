"""
One client's HTTP connection to a server of the sandbox: bodies of any size, kept alive between
requests.
"""

import socketserver
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

__all__ = ["Connection", "LoopbackServer"]

_PIECE: Final = 1 << 16
_POLL: Final = 0.05
"""Seconds between two looks at whether to stop."""


class LoopbackServer(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, connection: type["Connection"]) -> None:
        super().__init__(("127.0.0.1", 0), connection)
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL,), name=connection.__module__, daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering. Safe to repeat."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def server_bind(self) -> None:
        """
        Bind without the base class's reverse look-up of the host name, which
        can take seconds.
        """
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up; anything else is a fault of ours and is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Connection(BaseHTTPRequestHandler):
    """Base of the request handlers: `serve` answers each request, whatever its method."""

    protocol_version = "HTTP/1.1"
    # Headers and a short body leave as one segment, or the client waits for Nagle's algorithm.
    disable_nagle_algorithm = True
    wbufsize = -1
    _body_read = False

    def serve(self) -> None:
        """Answer the request."""
        raise NotImplementedError

    def _begin(self) -> None:
        self._body_read = False
        self.serve()
        if not self._body_read and self._body_expected():
            # What the client still sends would be taken for its next request.
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _begin  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: clients report what went wrong."""

    def body(self) -> Iterator[bytes]:
        """The request's body, piece by piece, whether its length was said or not."""
        if self._chunked():
            yield from self._read_chunks()
        else:
            yield from self._read_exactly(self._length())
        self._body_read = True

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """Answer with a body that is in memory; a HEAD request gets its length alone."""
        self.begin_answer(status, headers or {}, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin_answer(self, status: int, headers: dict[str, str], length: int | None) -> None:
        """Answer with a body that follows; None says that it follows in chunks (`send_chunk`)."""
        if not self._body_read and self._body_expected():
            self.close_connection = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        elif status not in (204, 304):
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def send_chunk(self, data: bytes) -> None:
        """Send a part of a chunked body; an empty one ends it."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _chunked(self) -> bool:
        return "chunked" in self.headers.get("Transfer-Encoding", "").lower()

    def _length(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _body_expected(self) -> bool:
        return self._chunked() or self._length() > 0

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(1024).partition(b";")[0], 16):
            yield from self._read_exactly(size)
            self.rfile.readline(2)
        while self.rfile.readline(1024) not in (b"\r\n", b"\n", b""):
            pass

    def _read_exactly(self, length: int) -> Iterator[bytes]:
        while length:
            piece = self.rfile.read(min(length, _PIECE))
            if not piece:
                raise ConnectionError("the client went away in the middle of its request")
            length -= len(piece)
            yield piece
