"""Gates: whether a service may keep the traffic that it has. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from config.traffic import Gates
from tasks.cloudwatch.metrics import Window
from tasks.elbv2.target_group import TargetHealth

__all__ = [
    "Judgement",
    "Verdict",
    "judge_alarms",
    "judge_errors",
    "judge_latency",
    "judge_targets",
    "without_open_doubles",
    "worst",
]

Verdict = Literal["pass", "fail", "inconclusive"]
# A percentile of fewer samples than this is mostly chance.
_SAMPLES: Final[Mapping[str, int]] = {"p50": 10, "p95": 20, "p99": 100}
# Before the end of a bake a gate is judged again and again, so what is rare in one judgement
# happens in some of them.
_EARLY_SAMPLES: Final = 5
_EARLY_CHANCE: Final = 0.001
_ALARM_VERDICTS: Final[Mapping[str | None, Verdict]] = {"ALARM": "fail", "OK": "pass"}


@dataclass(frozen=True)
class Judgement:
    """The verdict of one gate, and the numbers behind it."""

    gate: str
    verdict: Verdict
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it is undecided."""
        return self.verdict == "inconclusive"


def worst(judgements: Iterable[Judgement]) -> Verdict:
    """Fail if any gate fails, else inconclusive if any is, else pass."""
    verdicts = {judgement.verdict for judgement in judgements}
    if "fail" in verdicts:
        return "fail"
    return "inconclusive" if "inconclusive" in verdicts else "pass"


def judge_errors(gates: Gates, source: str, window: Window, *, early: bool = False) -> Judgement:
    """
    Judge the error gate.

    A window of too few requests already fails when so many of them failed that the rate would be
    exceeded even if every request up to `min_requests` succeeded: waiting could only cost more
    users.

    Args:
        gates: Limit, and how many requests make a verdict.
        source: Where the window comes from, for the text.
        window: The service's responses.
        early: Whether the bake goes on; the gate then fails only beyond chance.
    """
    text = (
        f"{source}: {window.failed} of {window.requests} requests failed, limit "
        f"{gates.max_5xx_rate:.1%}"
    )
    verdict: Verdict = "pass"
    if _exceeds(gates, window, early=early):
        verdict = "fail"
    elif window.requests < gates.min_requests:
        verdict = "inconclusive"
        text = f"{text}; {gates.min_requests} requests are needed for a verdict"
    return Judgement("errors", verdict, text, _error_numbers(gates, source, window))


def _error_numbers(gates: Gates, source: str, window: Window) -> dict[str, Any]:
    """The numbers behind the verdict of the error gate."""
    return {
        "source": source,
        "requests": window.requests,
        "failed": window.failed,
        "rate": window.failure_rate,
        "limit": gates.max_5xx_rate,
    }


def _exceeds(gates: Gates, window: Window, *, early: bool) -> bool:
    """Whether too many requests failed."""
    enough = max(window.requests, gates.min_requests, 1)
    rate = window.failed / enough
    if rate <= gates.max_5xx_rate:
        return False
    return not early or _is_beyond_chance(gates, window, enough)


def _is_beyond_chance(gates: Gates, window: Window, enough: int) -> bool:
    """Whether the failures of an incomplete bake are too many to be chance."""
    if window.failed > window.requests:
        return False  # These figures are not complete yet.
    chance = _chance_of_as_many(window.failed, enough, gates.max_5xx_rate)
    return chance < _EARLY_CHANCE


def _chance_of_as_many(failed: int, requests: int, rate: float) -> float:
    """Probability that at least so many requests fail, if each fails with probability `rate`."""
    if failed == 0 or rate >= 1:
        return 1.0
    if rate == 0:
        return 0.0
    fewer = range(min(failed, requests + 1))
    chances = [_chance_of(count, requests, rate) for count in fewer]
    chance_of_fewer = math.fsum(chances)
    return max(0.0, 1.0 - chance_of_fewer)


def _chance_of(failed: int, requests: int, rate: float) -> float:
    """One term of the binomial distribution."""
    # By logarithms: with many requests the factors leave the range of floats.
    good = requests - failed
    ways = _log_factorial(requests) - _log_factorial(failed) - _log_factorial(good)
    exponent = ways
    exponent += failed * math.log(rate)
    exponent += good * math.log1p(-rate)
    return math.exp(exponent)


def _log_factorial(number: int) -> float:
    """The natural logarithm of a factorial."""
    return math.lgamma(number + 1)


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


def judge_targets(health: TargetHealth) -> Judgement:
    """Judge the target gate: without a healthy target, the service's requests fail."""
    verdict: Verdict = "pass" if health.healthy else "fail"
    return Judgement("targets", verdict, f"targets: {health}", {"healthy": health.healthy})


def without_open_doubles(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Leave out an undecided latency gate of one source where another source has decided it."""
    decided = {item.gate for item in judgements if not item.is_open}

    def is_double(item: Judgement) -> bool:
        return item.is_open and item.gate.startswith("latency") and item.gate in decided

    return [item for item in judgements if not is_double(item)]


def judge_alarms(names: Iterable[str], states: Mapping[str, str]) -> list[Judgement]:
    """Judge the alarm gates: ALARM fails; missing data and a missing alarm are inconclusive."""
    return [_judge_alarm(name, states.get(name)) for name in names]


def _judge_alarm(name: str, state: str | None) -> Judgement:
    """Judge one alarm; without a state it does not exist."""
    gate = f"alarm {name}"
    verdict = _ALARM_VERDICTS.get(state, "inconclusive")
    text = f"{gate} is {state}" if state else f"{gate} does not exist"
    return Judgement(gate, verdict, text, {"state": state})
