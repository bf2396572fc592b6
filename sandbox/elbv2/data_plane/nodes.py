"""
The nodes of a load balancer, and when a change of rules reaches each of them.

On AWS a changed rule is in force some seconds after the call, on one node after the other. Health
and registration of targets are not delayed.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.elbv2.data_plane.state import Listener

__all__ = ["Node", "Nodes"]


@dataclass(frozen=True)
class Node:
    """One listener on one node: what its HAProxy is identified by."""

    listener: str
    """ARN."""
    address: str
    """Where all nodes of the load balancer listen: each connection gets one of them."""
    port: int
    number: int
    """From 0."""


@dataclass
class _Served:
    """The rules that a node has, and those that will reach it."""

    rules: Listener
    newest: Listener
    change: int = 0
    """Number of the change that has reached it; changes are numbered as they are made."""


class Nodes:
    """
    Keeps the rules of every node; for one event loop.

    Args:
        loop: The event loop.
        count: Nodes of each load balancer.
        delay: Returns the seconds after which the last node has a change; the others have it
            evenly before.
        on_change: Called when a change has reached a node.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        count: int,
        delay: Callable[[], float],
        on_change: Callable[[Node], None],
    ) -> None:
        self._loop, self._count, self._delay, self._on_change = loop, count, delay, on_change
        self._served: dict[Node, _Served] = {}
        self._changes = itertools.count(1)

    def of(self, listener: Listener) -> list[Node]:
        """The nodes that serve a listener."""
        arn, address, port = listener.arn, listener.address, listener.port
        return [Node(arn, address, port, number) for number in range(self._count)]

    def add(self, node: Node, listener: Listener) -> None:
        """Serve a listener, with its rules from the start."""
        self._served[node] = _Served(listener, listener)

    def remove(self, node: Node) -> None:
        """Serve it no longer."""
        del self._served[node]

    def change(self, node: Node, listener: Listener) -> None:
        """Let the listener's rules reach the node, if they have changed."""
        served = self._served[node]
        if listener == served.newest:
            return
        served.newest = listener
        change = next(self._changes)
        delay = self._delay() * (node.number + 1) / self._count
        if delay:
            self._loop.call_later(delay, self._reach, node, listener, change)
        else:
            served.rules, served.change = listener, change

    def listener(self, node: Node) -> Listener:
        """The listener, with the rules that have reached the node."""
        return self._served[node].rules

    def _reach(self, node: Node, listener: Listener, change: int) -> None:
        served = self._served.get(node)
        # A later change may have come without a delay, or the listener may be gone.
        if served and change > served.change:
            served.rules, served.change = listener, change
            self._on_change(node)
