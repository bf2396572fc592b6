"""The live client's answers over time, in buckets, as the charts need them."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flows.report.client_log import LoggedRequest, Tally, percentile

__all__ = ["TrafficSeries", "bucket_seconds", "collect_series"]

_MOST_BUCKETS: Final = 900
_NICE_SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_FAILURES_KEPT: Final = 50
# Of a bucket in which only a moment was observed, a rate would be noise.
_LEAST_COVERAGE: Final = 0.25


@dataclass(frozen=True)
class TrafficSeries:
    """What the answers show, for tables and charts."""

    tally: Tally
    """Totals."""
    failures: Sequence[LoggedRequest]
    """The first failed requests."""
    bucket: int
    """Seconds of one bucket."""
    times: Sequence[float]
    """Where each bucket begins, in seconds since the epoch."""
    rates: Mapping[str, Sequence[float]]
    """Answers per second in each bucket, by who gave them."""
    failed: Sequence[int]
    """Failed requests in each bucket."""
    p50: Mapping[str, Sequence[float | None]]
    """Median latency in seconds in each bucket, by who answered; None where nobody did."""
    p95: Mapping[str, Sequence[float | None]]
    """95th percentile, likewise."""


def bucket_seconds(span: float) -> int:
    """
    How long a bucket is in a run of `span` seconds: 1 s, unless that would be more than a chart can
    show.
    """
    return next(
        (seconds for seconds in _NICE_SECONDS if span / seconds <= _MOST_BUCKETS), _NICE_SECONDS[-1]
    )


def collect_series(answers: Iterable[LoggedRequest], started: float, ended: float) -> TrafficSeries:
    """
    Count answers into buckets, in one pass.

    Args:
        answers: In any order.
        started: When the run began, in seconds since the epoch.
        ended: When it ended.
    """
    bucket = bucket_seconds(ended - started)
    tally, failures = Tally(), list[LoggedRequest]()
    latencies: dict[tuple[str, int], array[float]] = defaultdict(lambda: array("d"))
    failed: Counter[int] = Counter()
    first, last = float("inf"), float("-inf")
    for answer in answers:
        number = int((answer.t - started) // bucket)
        first, last = min(first, answer.t), max(last, answer.t)
        tally.add(answer)
        if answer.failed:
            failed[number] += 1
            if len(failures) < _FAILURES_KEPT:
                failures.append(answer)
        if (backend := answer.answered_by) is not None:
            latencies[backend, number].append(answer.latency)
    numbers = (
        range(int((first - started) // bucket), int((last - started) // bucket) + 1)
        if tally.requests
        else range(0)
    )
    times = [started + number * bucket for number in numbers]
    covered = [_covered(begin, bucket, first, last) for begin in times]
    backends = sorted(tally.by_backend)

    def percentiles(share: float) -> dict[str, list[float | None]]:
        return {
            name: [percentile(latencies.get((name, number), ()), share) for number in numbers]
            for name in backends
        }

    return TrafficSeries(
        tally=tally,
        failures=sorted(failures),
        bucket=bucket,
        times=times,
        rates={
            name: [
                len(latencies.get((name, number), ())) / seconds
                for number, seconds in zip(numbers, covered, strict=True)
            ]
            for name in backends
        },
        failed=[failed[number] for number in numbers],
        p50=percentiles(0.5),
        p95=percentiles(0.95),
    )


def _covered(begin: float, bucket: int, first: float, last: float) -> float:
    """
    Seconds of the bucket in which the client was calling: less than all of it at both ends of its
    record.
    """
    return max(min(begin + bucket, last) - max(begin, first), _LEAST_COVERAGE * bucket)
