"""
Runs at the start of every Python program in a container of the embedded engine.

In a Docker container a program listens on 0.0.0.0 of the container's own network. Here all programs
share the machine's network, so 0.0.0.0 is replaced by the container's own loopback address: two
tasks can listen on the same port.
"""  # noqa: INP001 - Python imports it by its name, from a folder with nothing else

import os
import socket
import sys
from typing import Any

_ADDRESS = os.environ.get("SPLIT_SANDBOX_ADDRESS", "")


_bind = socket.socket.bind


def _bind_inside(self: socket.socket, address: Any, /) -> None:
    """Bind to the container's address instead of to every address."""
    if self.family == socket.AF_INET and address[0] in ("", "0.0.0.0", "<any>"):
        address = (_ADDRESS, *address[1:])
    elif self.family == socket.AF_INET6 and address[0] in ("", "::"):
        # asyncio also opens a socket for IPv6 only. Containers have no IPv6 addresses of their own
        # here, so it gets a free port that is never used.
        only_v6 = self.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        address = ("::1", 0) if only_v6 else (f"::ffff:{_ADDRESS}", *address[1:])
    _bind(self, address)


if _ADDRESS:
    socket.socket.bind = _bind_inside  # type: ignore[method-assign, assignment]

_PLAIN = os.environ.get("SPLIT_SANDBOX_PLAIN", "")
if _PLAIN:
    # The program has no root of its own. It reads the variable as it was given; the path is made.
    if _PLAIN == "none":
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = _PLAIN
    # An image has the packages that it was built with, not the machine's.
    for path in list(sys.path):
        if path.startswith(sys.base_prefix) and path.endswith(("site-packages", "dist-packages")):
            sys.path.remove(path)
