"""The live client's record: one JSON line an answer, readable while it grows."""

import json
import math
from array import array
from collections import Counter, deque
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
"""Who gave an answer that does not say so: mostly the load balancer itself."""


class LoggedRequest(NamedTuple):
    """What became of one request."""

    t: float
    """When it was sent, in seconds since the epoch."""
    path: str
    """Path and query string."""
    status: int
    """HTTP status; 0 when there was no complete answer."""
    backend: str | None
    """Who answered, by the header that names it."""
    latency: float
    """Seconds until the last byte, or until it failed."""
    error: str | None
    """Why there was no complete answer."""

    @property
    def failed(self) -> bool:
        """Whether a user would have noticed: a 5xx, or no answer."""
        return self.status == 0 or self.status >= 500

    @property
    def answered_by(self) -> str | None:
        """The backend, `UNNAMED` when the answer does not say, None when there was no answer."""
        return None if self.status == 0 else self.backend or UNNAMED

    def line(self) -> str:
        """The answer as a line of the record."""
        return json.dumps(self._asdict(), separators=(",", ":")) + "\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """
        Read a line of the record.

        Raises:
            ValueError: The line is not one of the record's.
        """
        try:
            return cls(**json.loads(line))
        except TypeError as error:
            raise ValueError(f"{line[:80]!r} is no answer of the live client ({error})") from None


class Tally:
    """Counts answers as they come."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.by_backend: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.latencies: dict[str, array[float]] = {}

    def add(self, answer: LoggedRequest) -> None:
        """Count one answer."""
        self.requests += 1
        self.failed += answer.failed
        self.statuses[answer.status] += 1
        if answer.failed:
            self.errors[answer.error or f"HTTP {answer.status} on {answer.path}"] += 1
        if (backend := answer.answered_by) is not None:
            self.by_backend[backend] += 1
            self.latencies.setdefault(backend, array("d")).append(answer.latency)

    def outcome(self) -> TrafficOutcome:
        """The totals."""
        return TrafficOutcome(
            requests=self.requests,
            failed=self.failed,
            by_backend=dict(sorted(self.by_backend.items())),
        )

    def latency(self, backend: str, share: float) -> float | None:
        """A percentile of one backend's latencies in seconds; `share` is 0.95 for p95."""
        return percentile(self.latencies.get(backend, ()), share)


class ClientLog:
    """
    Reads a record that is still being written, each line once.

    Args:
        path: The record; it need not be there yet.
        window: Seconds that `recent` reaches back from the newest answer.
    """

    def __init__(self, path: Path, *, window: float = 5) -> None:
        self.tally = Tally()
        self.recent: deque[LoggedRequest] = deque()
        self._path, self._window = path, window
        self._offset = 0

    def poll(self) -> list[LoggedRequest]:
        """
        The answers written since the last call; a line that is only half there waits for the next
        one.
        """
        answers = [LoggedRequest.parse(line) for line in self._new_lines()]
        for answer in answers:
            self.tally.add(answer)
        self.recent.extend(answers)
        newest = max((answer.t for answer in answers), default=0.0)
        while self.recent and self.recent[0].t < newest - self._window:
            self.recent.popleft()
        return answers

    @property
    def rate(self) -> float:
        """Requests per second over the recent window."""
        if len(self.recent) < 2:
            return 0.0
        times = [answer.t for answer in self.recent]
        return (len(times) - 1) / ((max(times) - min(times)) or 1)

    def shares(self) -> dict[str, float]:
        """Who gave which share (0 to 1) of the recent answers."""
        counts = Counter(
            answer.answered_by for answer in self.recent if answer.answered_by is not None
        )
        return {backend: count / counts.total() for backend, count in sorted(counts.items())}

    def _new_lines(self) -> list[str]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offset += len(whole) + len(newline)
        return whole.decode().splitlines()


def read_client_log(path: Path) -> Iterator[LoggedRequest]:
    """
    Every whole line of a record, in the order in which the answers came.

    Raises:
        ValueError: A line is not one of the record's.
    """
    with path.open(encoding="utf-8") as file:
        yield from (LoggedRequest.parse(line) for line in file if line.endswith("\n"))


def summarize(answers: Iterable[LoggedRequest]) -> TrafficOutcome:
    """What the live client saw, in totals."""
    tally = Tally()
    for answer in answers:
        tally.add(answer)
    return tally.outcome()


def percentile(values: Sequence[float], share: float) -> float | None:
    """
    The smallest value that at least `share` (0 to 1) of the values do not exceed; None of no
    values.
    """
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
