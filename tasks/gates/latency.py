"""The latency gates: the service's percentiles against the monolith's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from config.traffic import Gates
from tasks.cloudwatch.metrics import Window
from tasks.gates.judgement import Judgement

__all__ = ["judge_latency"]

# A percentile of fewer samples than this is mostly chance.
_SAMPLES: Final[Mapping[str, int]] = {"p50": 10, "p95": 20, "p99": 100}
# Before the end of a bake a gate is judged again and again.
_EARLY_SAMPLES: Final = 5


@dataclass(frozen=True)
class _Percentile:
    """A percentile that has a limit."""

    name: str
    limit: float
    floor: float
    """Seconds; below it, no percentile is too slow."""
    samples: int
    """Fewest requests on both sides for a verdict."""

    @property
    def gate(self) -> str:
        """Name of its gate."""
        return f"latency {self.name}"

    def is_too_slow(self, service: float, monolith: float) -> bool:
        """Whether the service exceeds the limit."""
        return service > self.floor and service > self.limit * monolith


def judge_latency(
    gates: Gates,
    source: str,
    service: Window,
    monolith: Window,
    before: Window | None = None,
    *,
    early: bool = False,
) -> list[Judgement]:
    """
    Judge the latency gates: one for each percentile with a limit.

    Args:
        gates: The limits.
        source: Where the windows come from, for the text.
        service: The service's responses.
        monolith: The monolith's responses in the same time.
        before: Its responses before the shift; compared where it has too few now, as at 100%.
        early: Whether the bake goes on; then a verdict needs more samples.
    """
    judgements = []
    now = _Pair(source, service, monolith, "monolith")
    earlier = _Pair(source, service, before or monolith, "monolith before the shift")
    for percentile in _percentiles(gates, early=early):
        samples = percentile.samples
        has_too_few = monolith.requests < samples <= earlier.monolith.requests
        pair = earlier if has_too_few else now
        judgements.append(pair.judge(percentile))
    return judgements


def _percentiles(gates: Gates, *, early: bool) -> Iterator[_Percentile]:
    """The percentiles with a limit."""
    times = _EARLY_SAMPLES if early else 1
    for name, samples in _SAMPLES.items():
        limit = getattr(gates.latency_ratio, name)
        if limit:
            yield _Percentile(name, limit, gates.latency_floor, samples * times)


@dataclass(frozen=True)
class _Pair:
    """The windows of the service and of the monolith, which are compared."""

    source: str
    service: Window
    monolith: Window
    baseline: str
    """Name of the monolith's window, for the text."""

    @property
    def fewest(self) -> int:
        """Requests of the side with fewer of them."""
        return min(self.service.requests, self.monolith.requests)

    def judge(self, percentile: _Percentile) -> Judgement:
        """Compare a percentile of the two."""
        name = percentile.name
        own = getattr(self.service, name)
        other = getattr(self.monolith, name)
        numbers = {
            "source": self.source,
            "service": own,
            "monolith": other,
            "limit": percentile.limit,
            "requests": self.fewest,
        }
        if own is None or other is None or self.fewest < percentile.samples:
            text = self._too_few(percentile)
            return Judgement(percentile.gate, "inconclusive", text, numbers)
        slow = percentile.is_too_slow(own, other)
        text = (
            f"{self.source}: {name} {_milliseconds(own)}, {self.baseline} {_milliseconds(other)}, "
            f"limit {percentile.limit:g}x"
        )
        return Judgement(percentile.gate, "fail" if slow else "pass", text, numbers)

    def _too_few(self, percentile: _Percentile) -> str:
        """The text for too few requests."""
        return (
            f"{self.source}: {self.fewest} requests on one side are too few for {percentile.name}; "
            f"{percentile.samples} are needed"
        )


def _milliseconds(seconds: float) -> str:
    """A latency, for people."""
    return f"{seconds * 1000:.0f} ms"
