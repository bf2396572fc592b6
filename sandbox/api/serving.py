"""An HTTP server on 127.0.0.1, with a thread for each connection."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

__all__ = ["LoopbackServer", "PortTaken", "read_pieces"]

_PIECE: Final = 1 << 16
_POLL: Final = 0.05
"""Seconds until the server notices that it is being closed."""


class PortTaken(Exception):
    """Raised when a port cannot be used; the message names the port and the reason."""


class LoopbackServer:
    """
    Listens as soon as it is made, and answers from `start` on; earlier requests wait for that.

    What answers can therefore be made after the server, and with its address.

    Args:
        name: Of its thread.
        port: Port of 127.0.0.1; 0 for any free one.

    Raises:
        PortTaken: Another program listens there, or the port is reserved for root.
    """

    def __init__(self, name: str, port: int = 0) -> None:
        self._name = name
        self._socket = _listen(port)
        self._server: BaseWSGIServer | None = None
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"http://{self.host}"

    def start(self, answer: Callable[[Request], Response]) -> None:
        """Answer every request with a call of `answer`, which may raise an `HTTPException`."""
        self._server = make_server(
            "127.0.0.1",
            port=0,
            app=Request.application(answer),
            threaded=True,
            request_handler=_Connection,
            # With a port instead of a socket, werkzeug ends the program when the port is taken.
            fd=self._socket.fileno(),
        )
        serving = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name=self._name, daemon=True
        )
        serving.start()

    def close(self) -> None:
        """Stop serving. Safe to repeat."""
        if self._server:
            self._server.shutdown()
        self._socket.close()


class _Connection(WSGIRequestHandler):
    """One client's connection. Requests are not logged: the endpoint has its own record."""

    protocol_version = "HTTP/1.1"
    # Headers and body are sent as two segments; Nagle's algorithm would delay the second by 40 ms.
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Log nothing."""


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise PortTaken(f"port {port}: {reason}; give another one, or 0 for any free one") from None


def read_pieces(request: Request) -> Iterator[bytes]:
    """
    The body in pieces of at most 64 KiB, whether it has a Content-Length or comes in chunks.

    Raises:
        ClientDisconnected: The client hung up in the middle of it.
    """
    try:
        while piece := request.stream.read(_PIECE):
            yield piece
    except OSError:
        raise ClientDisconnected from None
