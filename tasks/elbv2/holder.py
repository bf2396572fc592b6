"""Which run holds a listener, by its lock's tags, and whether that run is still alive."""

import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["STALE_AFTER", "Holder"]

STALE_AFTER: Final = 60.0
"""Seconds without a renewal after which a lock is free for the next run."""
_PREFIX: Final = "split:lock-"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE: Final = Path("/proc/self/ns/pid")


@dataclass(frozen=True)
class Holder:
    """The run that holds a listener. Every value fits into a tag."""

    run: str
    """Name of the flow run."""
    host: str
    process: str
    """`pid@boot`: a process id means nothing after a restart of the machine."""
    started: float
    """Seconds since the epoch."""
    renewed: float

    @classmethod
    def this_process(cls, run: str) -> "Holder":
        """The holder that a run of this process is, from now on."""
        now = time.time()
        return cls(
            run=_tag_value(run),
            host=_this_host(),
            process=_this_process(),
            started=now,
            renewed=now,
        )

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> "Holder":
        """From a lock rule's tags; a rule without them is a lock that was never renewed."""
        return cls(
            run=tags.get(f"{_PREFIX}run", "unknown"),
            host=tags.get(f"{_PREFIX}host", "unknown"),
            process=tags.get(f"{_PREFIX}process", ""),
            started=float(tags.get(f"{_PREFIX}started", "0")),
            renewed=float(tags.get(f"{_PREFIX}renewed", "0")),
        )

    @property
    def tags(self) -> dict[str, str]:
        """
        For the lock rule.

        Each begins with the same prefix.
        """
        return {
            f"{_PREFIX}run": self.run,
            f"{_PREFIX}host": self.host,
            f"{_PREFIX}process": self.process,
            f"{_PREFIX}started": f"{self.started:.0f}",
            **self.renewal_at(self.renewed),
        }

    @staticmethod
    def renewal_at(moment: float) -> dict[str, str]:
        """
        The tag that shows that a run is alive.

        Args:
            moment: Seconds since the epoch.
        """
        return {f"{_PREFIX}renewed": f"{moment:.0f}"}

    def is_same_run(self, other: "Holder") -> bool:
        """Whether both are one run of one process."""
        return (self.run, self.host, self.process) == (other.run, other.host, other.process)

    def is_gone(self, now: float) -> bool:
        """
        Whether the run is dead, or its lock has expired.

        Args:
            now: Seconds since the epoch.
        """
        return self._is_dead() or self.expires_in(now) < 0

    def _is_dead(self) -> bool:
        """Whether its process was one of this machine, and does not run any more."""
        if self.host != _this_host() or not self.process:
            return False
        pid, _, boot = self.process.partition("@")
        return boot != _boot() or not _is_alive(int(pid))

    def expires_in(self, now: float) -> float:
        """
        Seconds until the lock expires, unless it is renewed.

        Args:
            now: Seconds since the epoch.
        """
        return self.renewed + STALE_AFTER - now

    @property
    def pid(self) -> str:
        """Id of its process."""
        return self.process.partition("@")[0]

    def __str__(self) -> str:
        """For the message to a run that is refused."""
        started = _utc(self.started)
        return f"{self.run} on {self.host} (process {self.pid}), started {started}"


def _utc(moment: float) -> str:
    """A moment, for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


def _this_host() -> str:
    """This machine's name."""
    return _tag_value(socket.gethostname())


def _this_process() -> str:
    """This process, as `Holder.process`."""
    return f"{os.getpid()}@{_boot()}"


def _tag_value(text: str) -> str:
    """
    Keep to a tag's characters and length.

    A person may have renamed the run.
    """
    return re.sub(r"[^\w .:/=+\-@]", "-", text)[:256]


def _boot() -> str:
    """
    Identify this start of the machine, and the processes that see each other on it.

    A container has process ids of its own.
    """
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
        return f"{boot}.{_PID_NAMESPACE.stat().st_ino}"
    except OSError:
        return "unknown"


def _is_alive(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
