"""Whether request counts show a weight: simulated traffic, minute by minute."""

import random

import pytest

from flows.service.step.shares import Change, Counts

WEIGHTS = (10, 50, 100)
TOLERANCE = 10
MINUTE = 60
MINUTES_A_STEP = 5
PATIENCE = 10
"""Minutes that a step may wait, of the 15 by default."""


class Traffic:
    """
    An Application Load Balancer's counts.

    Args:
        path: Requests of users a second on the service's paths, by the minute.
        other: Those on the monolith's other paths, by the minute.
        own: The tool's own requests a second on the public route.
    """

    def __init__(self, seed, path, other, own):
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.path, self.other, self.own = path, other, own

    def counts(self, first, last, weight, in_force=None):
        """What both groups get in some minutes, by default at the weight that was set."""
        in_force = weight if in_force is None else in_force
        service = monolith = sent = 0
        for minute in range(first, last):
            asked = self._about(self.path(minute) * MINUTE) + self.own * MINUTE
            reached = self._share_of(asked, in_force)
            service += reached
            monolith += asked - reached + self._about(self.other(minute) * MINUTE)
            sent += self.own * MINUTE
        return Counts(weight, (last - first) * MINUTE, service, monolith, sent)

    def _about(self, mean):
        return max(0, round(self.chance.gauss(mean, mean**0.5)))

    def _share_of(self, requests, weight):
        share = weight / 100
        if share in (0, 1):
            return round(requests * share)
        spread = (requests * share * (1 - share)) ** 0.5
        return min(requests, max(0, round(self.chance.gauss(requests * share, spread))))


def minutes_until_match(traffic, weight, before, start, in_force=None):
    """How long a step waits for its counts; None when they never match."""
    for waited in range(1, PATIENCE + 1):
        first = max(start, start + waited - 10)
        after = traffic.counts(first, start + waited, weight, in_force)
        if Change(after, before, TOLERANCE).matches:
            return waited
    return None


def shift(traffic):
    """Take all steps; returns how long each waited."""
    waits = []
    before = None
    start = 0
    for weight in WEIGHTS:
        waits.append(minutes_until_match(traffic, weight, before, start))
        before = traffic.counts(start, start + MINUTES_A_STEP, weight)
        start += MINUTES_A_STEP
    return waits


def constant(rate):
    return lambda _minute: rate


def falling_by_a_quarter(rate):
    """A quarter less from one step to the next."""
    return lambda minute: rate * 0.75 ** (minute // MINUTES_A_STEP)


def rising(rate):
    return lambda minute: rate * 1.1**minute


def bursty(rate):
    return lambda minute: rate * (5 if minute % 3 == 0 else 0.5)


NOTHING = constant(0)
PATH = {
    "constant": constant(20),
    "falling": falling_by_a_quarter(20),
    "rising": rising(5),
    "bursty": bursty(5),
    "zero": NOTHING,
    "a request now and then": constant(0.02),
}
OTHER = {"no others": NOTHING, "many others": constant(200), "bursty others": bursty(50)}


@pytest.mark.parametrize("other", OTHER)
@pytest.mark.parametrize("path", PATH)
@pytest.mark.parametrize("own", [1, 2])
def test_a_healthy_service_is_seen_at_every_weight(path, other, own):
    for seed in range(50):
        waits = shift(Traffic(seed, PATH[path], OTHER[other], own))
        assert None not in waits, (seed, waits)
        assert sum(waits) <= 9, (seed, waits)


@pytest.mark.parametrize("path", ["constant", "falling", "rising", "bursty"])
def test_a_healthy_service_is_seen_by_its_users_alone(path):
    for seed in range(50):
        waits = shift(Traffic(seed, PATH[path], constant(30), own=0))
        assert None not in waits, (seed, waits)


@pytest.mark.parametrize("own", [0, 1])
@pytest.mark.parametrize("path", ["constant", "falling", "bursty"])
@pytest.mark.parametrize(("weight", "before"), [(50, 10), (100, 10), (100, 50)])
def test_a_weight_that_is_not_in_force_yet_is_waited_for(path, own, weight, before):
    for seed in range(20):
        traffic = Traffic(seed, PATH[path], constant(30), own)
        counts = traffic.counts(0, 5, before)
        assert minutes_until_match(traffic, weight, counts, 5, in_force=before) is None


def stopping(minute):
    """Users, and none any more from the second step on."""
    return 20 if minute < MINUTES_A_STEP else 0


def test_users_who_stop_leave_the_tools_own_requests_to_show_the_weight():
    for seed in range(20):
        waits = shift(Traffic(seed, stopping, constant(30), own=1))
        assert None not in waits, (seed, waits)


def test_without_users_a_weight_that_is_not_in_force_is_waited_for():
    for seed in range(20):
        traffic = Traffic(seed, NOTHING, constant(30), own=2)
        counts = traffic.counts(0, 5, 10)
        assert minutes_until_match(traffic, 50, counts, 5, in_force=10) is None


@pytest.mark.parametrize("path", PATH)
@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_service_that_another_rule_hides_is_never_seen(path, weight):
    traffic = Traffic(1, PATH[path], constant(30), own=2)
    before = None if weight == 10 else traffic.counts(0, 5, weight // 2)
    assert minutes_until_match(traffic, weight, before, 5, in_force=0) is None


def test_a_service_without_any_request_is_never_seen():
    assert minutes_until_match(Traffic(1, NOTHING, NOTHING, own=0), 100, None, 0) is None


def test_a_service_that_gets_more_than_its_weight_is_not_as_expected():
    traffic = Traffic(1, constant(20), NOTHING, own=1)
    assert minutes_until_match(traffic, 10, None, 0, in_force=50) is None


def test_counts_have_their_numbers():
    change = Change(Counts(50, 60.0, 72, 300, 60), Counts(10, 60.0, 12, 360, 60), TOLERANCE)
    assert change.numbers == {
        "observed": 1.2,
        "expected": 0.18,
        "unit": "requests/s",
        "requests": 72,
        "own": 60,
        "part": 19.4,
    }
