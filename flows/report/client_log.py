"""The live client's log: one JSON line a request, readable while it is being written."""

import json
import math
from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from flows.record.outcome import TrafficOutcome

__all__ = [
    "UNNAMED",
    "ClientLog",
    "LoggedRequest",
    "Tally",
    "percentile",
    "read_client_log",
    "summarize",
]

UNNAMED: Final = "unnamed"
"""Backend of a response without the header that names one: mostly the load balancer's own."""


class LoggedRequest(NamedTuple):
    """One request and its response."""

    t: float
    """When it was sent, in seconds since the epoch."""
    path: str
    """Path and query string."""
    status: int
    """HTTP status; 0 when there was no complete response."""
    backend: str | None
    """The backend, from the response header that names it."""
    latency: float
    """Seconds until the last byte, or until it failed."""
    error: str | None
    """Why there was no complete response."""

    @property
    def failed(self) -> bool:
        """Whether a user would have noticed: a 5xx, or no response."""
        return self.status == 0 or self.status >= 500

    @property
    def failure(self) -> str:
        """Why it failed; requests that failed alike have the same text."""
        if self.error:
            return self.error
        return f"HTTP {self.status} on {self.path}"

    @property
    def answered_by(self) -> str | None:
        """The backend; `UNNAMED` where the response does not name it, None without a response."""
        if self.status == 0:
            return None
        return self.backend or UNNAMED

    def line(self) -> str:
        """The request as a line of the log."""
        return json.dumps(self._asdict(), separators=(",", ":")) + "\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """
        Read a line of the log.

        Raises:
            ValueError: The line does not describe a request.
        """
        try:
            return cls(**json.loads(line))
        except TypeError as error:
            raise ValueError(f"not a line of the client's log: {line[:80]!r} ({error})") from None


class Tally:
    """Counts requests by backend, status and error."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.by_backend: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.latencies: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))

    def add(self, request: LoggedRequest) -> None:
        """Count one request."""
        self.requests += 1
        self.statuses[request.status] += 1

        if request.failed:
            self.failed += 1
            self.errors[request.failure] += 1

        backend = request.answered_by
        if backend is not None:
            self.by_backend[backend] += 1
            self.latencies[backend].append(request.latency)

    def outcome(self) -> TrafficOutcome:
        """The totals."""
        return TrafficOutcome(
            requests=self.requests,
            failed=self.failed,
            by_backend=dict(sorted(self.by_backend.items())),
        )

    def latency(self, backend: str, share: float) -> float | None:
        """
        A percentile of one backend's latencies in seconds.

        Args:
            backend: Its name.
            share: 0 to 1, e.g. 0.95 for p95.
        """
        latencies = self.latencies.get(backend, ())
        return percentile(latencies, share)


class ClientLog:
    """
    Reads a log that is still being written, each line once.

    Args:
        path: The log; it may not exist yet.
        window: Seconds that `recent` reaches back from the newest request.
    """

    def __init__(self, path: Path, *, window: float = 5) -> None:
        self.tally = Tally()
        self.recent: deque[LoggedRequest] = deque()
        self._path = path
        self._window = window
        self._offset = 0

    def poll(self) -> list[LoggedRequest]:
        """The requests logged since the last call; an incomplete line is left for the next one."""
        requests = [LoggedRequest.parse(line) for line in self._new_lines()]
        for request in requests:
            self.tally.add(request)

        self.recent.extend(requests)
        self._forget_old(requests)
        return requests

    @property
    def rate(self) -> float:
        """Requests per second over the recent window."""
        if len(self.recent) < 2:
            return 0.0

        times = [request.t for request in self.recent]
        intervals = len(times) - 1
        seconds = max(times) - min(times)
        return intervals / (seconds or 1)

    def shares(self) -> dict[str, float]:
        """Each backend's share (0 to 1) of the recent responses."""
        recent = Tally()
        for request in self.recent:
            recent.add(request)

        total = recent.by_backend.total()
        return {name: count / total for name, count in sorted(recent.by_backend.items())}

    def _forget_old(self, newest: Iterable[LoggedRequest]) -> None:
        """Drop what is older than the window, which ends at the newest request."""
        times = [request.t for request in newest]
        limit = max(times, default=0.0) - self._window

        while self.recent and self.recent[0].t < limit:
            self.recent.popleft()

    def _new_lines(self) -> list[str]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                added = file.read()
        except FileNotFoundError:
            return []

        complete, newline, _ = added.rpartition(b"\n")
        self._offset += len(complete) + len(newline)
        return complete.decode().splitlines()


def read_client_log(path: Path) -> Iterator[LoggedRequest]:
    """
    The request of every complete line of a log, in the order of their responses.

    Raises:
        ValueError: A line does not describe a request.
    """
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield LoggedRequest.parse(line)


def summarize(requests: Iterable[LoggedRequest]) -> TrafficOutcome:
    """The totals of a log."""
    tally = Tally()
    for request in requests:
        tally.add(request)
    return tally.outcome()


def percentile(values: Sequence[float], share: float) -> float | None:
    """
    The smallest value that at least `share` of the values do not exceed; None without values.

    Args:
        values: In any order.
        share: 0 to 1, e.g. 0.95 for p95.
    """
    if not values:
        return None

    rank = math.ceil(share * len(values))
    return sorted(values)[max(0, rank - 1)]
