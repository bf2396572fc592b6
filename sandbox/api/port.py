"""The port of the AWS endpoint."""

import os
import socket

__all__ = ["PortTaken", "listen"]


class PortTaken(Exception):
    """Raised when a port cannot be had; the message says which and why."""


def listen(port: int) -> socket.socket:
    """
    Listen on a port of 127.0.0.1, 0 for any free one.

    Raises:
        PortTaken: Another program listens there, or it is not for ordinary users.
    """
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise PortTaken(f"port {port}: {reason}; give another one, or 0 for any free one") from None
