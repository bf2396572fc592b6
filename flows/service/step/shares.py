"""
Whether the counts of two target groups show that a weight took effect. Pure.

CloudWatch counts requests by target group, and the monolith's gets other paths too. So a share of
the paths alone is not known, but much about it is:

- Of the tool's own requests on the public route, whose number is known, the weight's share must be
  among the service's.
- The service cannot have more than the weight's share of both groups together.
- From one weight to the next, the service's part of both groups (or its rate) grows as the weight
  does. The periods right before and after the change are compared, and either measure is enough:
  traffic that falls changes the rate, traffic on other paths the part.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Change", "Counts"]

_SIGMAS: Final = 3
_EDGE: Final = 2
"""Own requests that CloudWatch may count in the period before or after."""
_FEWEST: Final = 20
"""Requests of users from which on their growth can be seen."""
_STOPPED: Final = 4
"""Users have stopped when their requests are fewer than one of so many before."""


@dataclass(frozen=True)
class Counts:
    """What two target groups got in a span of time at one weight."""

    weight: int
    """Percent of the paths' requests that the service gets."""
    seconds: float
    service: int
    """Requests to the service's target group, without the tool's private ones."""
    monolith: int
    """Requests to the monolith's, on all of its paths."""
    own: int = 0
    """Those of the two that the tool sent on the public route."""

    @property
    def rate(self) -> float:
        """Requests a second to the service."""
        return self.service / self.seconds

    @property
    def part(self) -> float:
        """The service's part of both groups' requests, from 0 to 1."""
        return self.service / max(self.service + self.monolith, 1)

    def users(self, weight: int) -> float:
        """Requests of users to the service, if it got this percentage of the tool's own."""
        return max(0.0, self.service - self.own * weight / 100)

    def error(self, weight: int) -> float:
        """By which part of them, one standard deviation, the users' requests vary by chance."""
        return math.sqrt(max(self.service, 1)) / max(self.users(weight), 1)

    @property
    def all_users(self) -> float:
        """Requests of users to both groups."""
        return max(1, self.service + self.monolith - self.own)


@dataclass(frozen=True)
class Change:
    """The counts before and after a change of weight."""

    after: Counts
    before: Counts | None
    """None where the service had no traffic before."""
    tolerance: float
    """Percentage points by which an observed share may differ from the weight."""

    @property
    def reaches_service(self) -> bool:
        """Whether the service has its share of the tool's own requests, within chance."""
        return self.after.service >= max(1, self.least)

    @property
    def least(self) -> int:
        """Fewest requests to the service that its share of the tool's own ones allows."""
        after = self.after
        share = after.weight / 100
        expected = after.own * (after.weight - self.tolerance) / 100
        chance = _SIGMAS * math.sqrt(after.own * share * (1 - share))
        return max(0, math.ceil(expected - chance - _EDGE))

    @property
    def is_within_weight(self) -> bool:
        """Whether the service has no more of both groups than its weight allows."""
        after = self.after
        together = max(after.service + after.monolith, 1)
        share = after.weight / 100
        chance = _SIGMAS * math.sqrt(share * (1 - share) / together)
        edge = _EDGE / together
        return after.part <= share + self.tolerance / 100 + chance + edge

    @property
    def has_grown(self) -> bool:
        """Whether users' requests to the service follow the weight, where that can be seen."""
        before = self.before
        if before is None or not self.shows_growth:
            return True
        error = math.hypot(before.error(before.weight), self.after.error(before.weight))
        return self.observed_weight * (1 + _SIGMAS * error) >= self.needed_weight

    @property
    def shows_growth(self) -> bool:
        """
        Whether there are enough requests of users to compare; where most of them stopped, the
        tool's own have to show the weight.
        """
        before = self.before
        if before is None:
            return False
        chance = _SIGMAS * math.sqrt(before.own * before.weight / 100)
        users = before.users(before.weight)
        unchanged = users / before.seconds * self.after.seconds
        if users < _FEWEST + chance or unchanged < _FEWEST:
            return False
        is_as_long = self.after.seconds >= before.seconds
        have_stopped = self.after.users(before.weight) < unchanged / _STOPPED
        return not (is_as_long and have_stopped and self.after.own)

    @property
    def observed_weight(self) -> float:
        """The weight that the growth of users' requests shows: the old one, if they have none."""
        before = self.before
        after = self.after
        if before is None:
            return float(after.weight)
        earlier = before.users(before.weight)
        now = after.users(before.weight)
        by_rate = (now / after.seconds) / (earlier / before.seconds)
        by_part = (now / after.all_users) / (earlier / before.all_users)
        return before.weight * max(by_rate, by_part)

    @property
    def needed_weight(self) -> float:
        """The least weight that shows that the change took effect."""
        after = self.after.weight
        if self.before is None:
            return 0.0
        halfway = (self.before.weight + after) / 2
        return min(after - self.tolerance, halfway)

    @property
    def matches(self) -> bool:
        """Whether the weight took effect."""
        return self.reaches_service and self.is_within_weight and self.has_grown

    @property
    def expected_rate(self) -> float:
        """The least rate of requests to the service that shows it, in requests a second."""
        after = self.after
        by_own = max(1, self.least) / after.seconds
        before = self.before
        if before is None or not self.shows_growth:
            return by_own
        users = before.users(before.weight)
        by_users = users / before.seconds * self.needed_weight / before.weight
        return max(by_own, by_users)

    @property
    def numbers(self) -> dict[str, Any]:
        """For the record."""
        return {
            "observed": round(self.after.rate, 2),
            "expected": round(self.expected_rate, 2),
            "unit": "requests/s",
            "requests": self.after.service,
            "own": self.after.own,
            "part": round(100 * self.after.part, 1),
        }
