"""
The status gates: whether the service answers 2xx, 3xx or 4xx more often than the monolith does.

The monolith's target group gets other paths too, so its rates of 4xx cannot be compared with the
service's one by one. But the load balancer sends the requests of these paths to one or the other by
chance, by the weights. So of all 4xx of the two, no more than the weight's share should be the
service's, and what other paths add to the monolith's can only make this more lenient. At 100% the
monolith answers none of these requests; then its past is compared, and the service's own.

5xx have the error gate: it fails at `max_5xx_rate`, whatever the monolith answers.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from config.traffic import Gates
from tasks.cloudwatch.metrics import Window
from tasks.gates.chance import chance_of_as_many
from tasks.gates.judgement import Judgement, Verdict

__all__ = ["FAMILIES", "Sides", "judge_pairs", "judge_statuses"]

FAMILIES: Final = (2, 3, 4)
"""First digits of the statuses that are compared."""
_CLIENT_ERROR: Final = 4
_CHANCE: Final = 0.001
# Before the end of a bake the gates are judged again and again.
_EARLY_CHANCE: Final = 0.0001
_CHANCE_OF_PAIRS: Final = 0.01
_EARLY_CHANCE_OF_PAIRS: Final = 0.001
_SIGMAS: Final = 3
# Where none of n responses was of a class, up to 3/n may be (with 95% confidence).
_UNSEEN: Final = 3


@dataclass(frozen=True)
class Sides:
    """The responses of service and monolith that are compared."""

    weight: int
    """Percent of the paths' requests that the service gets."""
    service: Window
    """To users, since the step."""
    monolith: Window
    """In the same span, on all of its paths."""
    past: Window = field(default_factory=Window)
    """The monolith's before the shift; empty when it is not known."""
    earlier: Window = field(default_factory=Window)
    """The service's at the step before; empty when there was none."""

    @property
    def peers(self) -> float:
        """Requests of the service's paths that the weights send to the monolith."""
        return self.service.requests * (100 - self.weight) / self.weight


@dataclass(frozen=True)
class _Baseline:
    """The share of a class that the monolith may have on the service's paths, at most."""

    name: str
    share: float
    chance: float
    """Probability that the service has as many, if it answers as the monolith does."""


def judge_statuses(gates: Gates, sides: Sides, *, early: bool = False) -> list[Judgement]:
    """
    Judge the status gates: one for each class that can be compared.

    Args:
        gates: Limit, and how many requests make a verdict.
        sides: The responses.
        early: Whether the bake goes on; then the figures may be incomplete, and only what is beyond
            chance fails.
    """
    judgements = []
    for family in FAMILIES:
        baseline = _baseline(sides, family, early=early)
        if baseline is not None:
            judgements.append(_judge(gates, sides, family, baseline, early=early))
    return judgements


def _judge(
    gates: Gates, sides: Sides, family: int, baseline: _Baseline, *, early: bool
) -> Judgement:
    requests = sides.service.requests
    count = sides.service.of_class(family)
    share = count / max(requests, 1)
    limit = gates.max_status_difference
    chance = _EARLY_CHANCE if early else _CHANCE
    is_complete = count <= requests
    verdict: Verdict = "pass"
    if is_complete and share - baseline.share > limit and baseline.chance < chance:
        verdict = "fail"
    elif requests < gates.min_requests:
        verdict = "inconclusive"
    text = (
        f"cloudwatch: {share:.1%} of {requests} responses are {family}xx, "
        f"{baseline.name} at most {baseline.share:.1%}, limit +{limit:.1%}"
    )
    numbers = {
        "source": "cloudwatch",
        "class": f"{family}xx",
        "count": count,
        "requests": requests,
        "service": round(share, 4),
        "monolith": round(baseline.share, 4),
        "limit": limit,
        "baseline": baseline.name,
    }
    return Judgement(f"status {family}xx", verdict, text, numbers)


def _baseline(sides: Sides, family: int, *, early: bool) -> _Baseline | None:
    """What the class is compared with; None where nothing shows it."""
    if sides.service.requests == 0:
        return None
    if sides.weight < 100:
        now = _same_window(sides, family, early=early)
        if now is None or now.share < 1:
            return now
    return _before(sides, family)


def _same_window(sides: Sides, family: int, *, early: bool) -> _Baseline | None:
    """The monolith in the same window."""
    own = sides.service.of_class(family)
    other: float = _may_be(sides.monolith, family)
    if early:
        # CloudWatch may have the service's figures already, and the monolith's not yet.
        if sides.past.requests == 0:
            return None
        periods = sides.monolith.seconds / sides.past.seconds
        other = max(other, _may_be(sides.past, family) * periods)
    others = math.ceil(other)
    share = min(1.0, others / sides.peers)
    chance = chance_of_as_many(own, own + others, sides.weight / 100)
    if family != _CLIENT_ERROR and not _may_be_in_place_of_others(sides, family, others):
        chance = 1.0
    return _Baseline("monolith", share, chance)


def _may_be_in_place_of_others(sides: Sides, family: int, others: int) -> bool:
    """
    Whether the monolith gave other statuses in place of the missing ones.

    More 2xx than the monolith's are a fault where it answers 4xx, e.g. to users who are not logged
    in.
    """
    if family != 2:
        return True
    share = sides.service.of_class(family) / sides.service.requests
    missing = share * sides.peers - others
    return sides.monolith.of_class(_CLIENT_ERROR) >= missing / 2


def _may_be(window: Window, family: int) -> int:
    """
    Responses of a window that may count as of a class.

    A failed request could have had any other status. A 2xx in place of a 3xx is mostly a cache that
    was not asked (304).
    """
    count = window.of_class(family) + window.failed
    if family == 2:
        count += window.of_class(3)
    return count


def _before(sides: Sides, family: int) -> _Baseline | None:
    """
    The monolith before the shift, and the service at the step before.

    What the monolith answers less now than in the past was answered on the service's paths.
    """
    shares = [*_past_shares(sides, family), *_earlier_shares(sides, family)]
    if not shares or family not in (3, 4):
        return None
    share = min(1.0, max(shares))
    own = sides.service.of_class(family)
    chance = chance_of_as_many(own, sides.service.requests, share)
    return _Baseline("before the step", share, chance)


def _past_shares(sides: Sides, family: int) -> Iterator[float]:
    past = sides.past.requests
    if past == 0:
        return
    rate = _rate(sides.past, family)
    yield rate
    own = sides.service.requests
    together = own + sides.monolith.requests
    gone = rate * together - sides.monolith.of_class(family)
    variance = rate * (1 - rate) * together * (1 + together / past)
    yield (gone + _SIGMAS * math.sqrt(variance)) / own


def _earlier_shares(sides: Sides, family: int) -> Iterator[float]:
    if sides.earlier.requests > 0:
        yield _rate(sides.earlier, family)


def _rate(window: Window, family: int) -> float:
    """The share of a class, at most."""
    most = min(window.requests, _may_be(window, family) + _UNSEEN)
    return most / window.requests


Pairs = Mapping[tuple[int, int], int]


def judge_pairs(gates: Gates, pairs: Pairs, *, early: bool = False) -> list[Judgement]:
    """
    Judge the status gates by the tool's own requests, each sent to both sides.

    Args:
        gates: Limit, and how many requests make a verdict.
        pairs: How many requests got which classes, the service's first: `{(4, 2): 3}` for three
            that the service answered 404 and the monolith 200.
        early: Whether the bake goes on; then only what is beyond chance fails.
    """
    return [_judge_pairs(gates, pairs, family, early=early) for family in FAMILIES]


def _judge_pairs(gates: Gates, pairs: Pairs, family: int, *, early: bool) -> Judgement:
    requests = sum(pairs.values())
    service, monolith = _one_sided(pairs, family)
    share = (service - monolith) / max(requests, 1)
    limit = gates.max_status_difference
    most = _EARLY_CHANCE_OF_PAIRS if early else _CHANCE_OF_PAIRS
    chance = chance_of_as_many(service, service + monolith, 0.5)
    verdict: Verdict = "pass"
    if share > limit and chance < most:
        verdict = "fail"
    elif requests < gates.min_requests:
        verdict = "inconclusive"
    text = (
        f"probes: {family}xx from the service alone in {service} of {requests} pairs, from the "
        f"monolith alone in {monolith}, limit +{limit:.1%}"
    )
    numbers: dict[str, Any] = {
        "source": "probes",
        "class": f"{family}xx",
        "requests": requests,
        "service": service,
        "monolith": monolith,
        "limit": limit,
    }
    return Judgement(f"status {family}xx", verdict, text, numbers)


def _one_sided(pairs: Pairs, family: int) -> tuple[int, int]:
    """Pairs in which only the service, and only the monolith, answered with the class."""
    service = 0
    monolith = 0
    for (own, other), count in pairs.items():
        if own == family != other and other in FAMILIES:
            service += count
        if other == family != own and own in FAMILIES:
            monolith += count
    return service, monolith
