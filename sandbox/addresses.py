"""Loopback addresses: every sandbox on a machine has its own 127.N.0.0/16."""

import ipaddress
import random
import socket
import threading
from collections.abc import Iterator
from typing import Final

__all__ = ["Addresses", "NoAddresses"]

_CLAIM_PORT: Final = 40_099
_FIRST, _LAST = 64, 250


class NoAddresses(Exception):
    """Raised when no range is free, or the machine does not have all of 127.0.0.0/8."""


class Addresses:
    """Claims a free range by listening on its last address, so the claim ends with the process."""

    def __init__(self) -> None:
        self._claim, self.network = _claim_range()
        self._lock = threading.Lock()
        self._used: set[str] = set()

    @property
    def vpc(self) -> str:
        """CIDR block of the VPC: the whole range."""
        return str(self.network)

    @property
    def subnets(self) -> tuple[str, str]:
        """CIDR blocks of two subnets, from which tasks get their addresses."""
        blocks = self.network.subnets(new_prefix=18)
        return str(next(blocks)), str(next(blocks))

    def task(self, subnet: str) -> str:
        """A new address in a subnet (a CIDR block); a former task's may still be draining."""
        return self._take(ipaddress.IPv4Network(subnet).hosts())

    def load_balancer(self) -> str:
        """A free address outside the two subnets, for a load balancer."""
        third = list(self.network.subnets(new_prefix=18))[2]
        return self._take(third.hosts())

    def close(self) -> None:
        """Release the range."""
        self._claim.close()

    def _take(self, candidates: Iterator[ipaddress.IPv4Address]) -> str:
        with self._lock:
            for candidate in candidates:
                address = str(candidate)
                if address not in self._used and not address.endswith((".0", ".255")):
                    self._used.add(address)
                    return address
        raise NoAddresses(f"every address of {self.network} is in use")


def _claim_range() -> tuple[socket.socket, ipaddress.IPv4Network]:
    numbers = list(range(_FIRST, _LAST + 1))
    random.shuffle(numbers)
    for number in numbers:
        claim = socket.socket()
        try:
            claim.bind((f"127.{number}.255.254", _CLAIM_PORT))
            claim.listen(1)
        except OSError:
            claim.close()
            continue
        return claim, ipaddress.IPv4Network(f"127.{number}.0.0/16")
    raise NoAddresses(
        "no free range in 127.0.0.0/8; the sandbox needs Linux, where all of it is loopback"
    )
