"""
Runs at the start of every Python program in a container of the embedded engine.

In a container of Docker's a program listens on 0.0.0.0 of a network of its own. Here all of them
share the machine's network, so that address becomes the container's own loopback address: two tasks
can listen on the same port.
"""  # noqa: INP001 - Python imports it by its name, from a folder that holds nothing else

import os
import socket
import sys
from typing import Any

_ADDRESS = os.environ.get("SPLIT_SANDBOX_ADDRESS", "")


_bind = socket.socket.bind


def _bind_inside(self: socket.socket, address: Any, /) -> None:
    """Bind to the container's address where every address was asked for."""
    if self.family == socket.AF_INET and address[0] in ("", "0.0.0.0", "<any>"):
        address = (_ADDRESS, *address[1:])
    elif self.family == socket.AF_INET6 and address[0] in ("", "::"):
        # A socket for IPv6 alone, which asyncio opens beside the one for IPv4, has no address to
        # itself here: it gets a free port of the machine's, on which nobody calls.
        only_v6 = self.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        address = ("::1", 0) if only_v6 else (f"::ffff:{_ADDRESS}", *address[1:])
    _bind(self, address)


if _ADDRESS:
    socket.socket.bind = _bind_inside  # type: ignore[method-assign, assignment]
    # An image has the packages that it was built with, not those of the machine.
    sys.path[:] = [
        path
        for path in sys.path
        if not (
            path.startswith(sys.base_prefix) and path.endswith(("site-packages", "dist-packages"))
        )
    ]
