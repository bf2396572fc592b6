"""The live client's requests over time, in buckets, as the charts need them."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from flows.report.client_log import LoggedRequest, Tally, percentile

__all__ = ["Bucket", "TrafficSeries", "bucket_seconds", "collect_series"]

_MOST_BUCKETS: Final = 900
_BUCKET_SIZES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_FAILURES_KEPT: Final = 50
# The rate of a bucket that was observed for a moment only would be noise.
_LEAST_COVERAGE: Final = 0.25


@dataclass
class Bucket:
    """The requests that were sent in one span of time."""

    begin: float
    """Seconds since the epoch."""
    size: int
    """Its length in seconds."""
    covered: float = 0.0
    """Seconds of it in which the client sent requests."""
    failed: int = 0
    """Failed requests."""
    latencies: dict[str, "array[float]"] = field(default_factory=dict)
    """In seconds, of the responses of each backend."""

    def add(self, request: LoggedRequest) -> None:
        """Count one request."""
        if request.failed:
            self.failed += 1

        backend = request.answered_by
        if backend is not None:
            latencies = self.latencies.setdefault(backend, array("d"))
            latencies.append(request.latency)

    @property
    def middle(self) -> float:
        """Where a chart draws its values, in seconds since the epoch."""
        return self.begin + self.size / 2

    def rate(self, backend: str) -> float:
        """Responses per second of one backend."""
        responses = self.latencies.get(backend, ())
        return len(responses) / self.covered

    def total_rate(self) -> float:
        """Responses per second of all backends."""
        rates = [self.rate(backend) for backend in self.latencies]
        return sum(rates)

    def milliseconds(self, backend: str, share: float) -> float | None:
        """
        A percentile of one backend's latencies; None without responses.

        Args:
            backend: Its name.
            share: 0 to 1, e.g. 0.95 for p95.
        """
        latencies = self.latencies.get(backend, ())
        seconds = percentile(latencies, share)
        return None if seconds is None else seconds * 1000


def bucket_seconds(span: float) -> int:
    """
    Seconds of one bucket: 1, unless a chart could not show that many.

    Args:
        span: Length of the run in seconds.
    """
    for seconds in _BUCKET_SIZES:
        if span / seconds <= _MOST_BUCKETS:
            return seconds
    return _BUCKET_SIZES[-1]


def collect_series(
    requests: Iterable[LoggedRequest], started: float, ended: float
) -> "TrafficSeries":
    """
    Sort requests into buckets, in one pass.

    Args:
        requests: In any order.
        started: When the run began, in seconds since the epoch.
        ended: When it ended.
    """
    series = TrafficSeries(started, bucket_seconds(ended - started))
    for request in requests:
        series.add(request)
    return series


class TrafficSeries:
    """
    The client's log, for tables and charts.

    Args:
        started: When the run began, in seconds since the epoch.
        size: Of a bucket, in seconds.
    """

    def __init__(self, started: float, size: int) -> None:
        self.size = size
        self.tally = Tally()
        self.failures: list[LoggedRequest] = []
        """The first failed requests."""
        self._started = started
        self._buckets: dict[int, Bucket] = {}
        self._first = float("inf")
        self._last = float("-inf")

    def add(self, request: LoggedRequest) -> None:
        """Count one request."""
        self.tally.add(request)
        self._first = min(self._first, request.t)
        self._last = max(self._last, request.t)

        number = self._number(request.t)
        self._bucket(number).add(request)

        if request.failed and len(self.failures) < _FAILURES_KEPT:
            self.failures.append(request)

    @property
    def backends(self) -> list[str]:
        """Names of the backends that responded."""
        return sorted(self.tally.by_backend)

    @cached_property
    def buckets(self) -> list[Bucket]:
        """From that of the first request to that of the last one, without gaps."""
        if not self._buckets:
            return []

        first = min(self._buckets)
        last = max(self._buckets)
        buckets = [self._bucket(number) for number in range(first, last + 1)]
        for bucket in buckets:
            bucket.covered = self._covered(bucket)
        return buckets

    def _number(self, time: float) -> int:
        """The number of a moment's bucket, which is 0 at the start of the run."""
        elapsed = time - self._started
        return int(elapsed // self.size)

    def _bucket(self, number: int) -> Bucket:
        if number not in self._buckets:
            begin = self._started + number * self.size
            self._buckets[number] = Bucket(begin, self.size)
        return self._buckets[number]

    def _covered(self, bucket: Bucket) -> float:
        """Less than the whole bucket at both ends of the log."""
        begin = max(bucket.begin, self._first)
        end = min(bucket.begin + self.size, self._last)
        least = _LEAST_COVERAGE * self.size
        return max(end - begin, least)
