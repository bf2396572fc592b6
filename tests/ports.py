"""Ports for programs that have to be given one."""

import contextlib
import random
import socket

__all__ = ["free_port"]

# Below those that the kernel gives to connections, and above those of well-known servers: between
# the choice of a port and the start of its program nothing else takes it by chance.
FIRST, LAST = 12_000, 31_999


def free_port():
    """A port of 127.0.0.1 on which nothing listens."""
    while True:
        port = random.randint(FIRST, LAST)  # noqa: S311 - it is no secret
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
