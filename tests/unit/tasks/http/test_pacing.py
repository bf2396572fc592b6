"""The budget of the tool's own requests."""

import asyncio

import pytest

from config.traffic import OwnRequests
from tasks.http import pacing as module
from tasks.http.pacing import Pace, pace


class Clock:
    """Time that passes only in sleeps."""

    def __init__(self, monkeypatch):
        self.seconds = 100.0
        monkeypatch.setattr(module.asyncio, "sleep", self._sleep)

    def now(self):
        return self.seconds

    async def _sleep(self, duration):
        self.seconds += duration


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


async def sent(paced, clock, seconds):
    """How many requests get their turn in so many seconds."""
    end = clock.now() + seconds
    count = 0
    while True:
        await paced.turn()
        if clock.now() > end:
            return count
        count += 1


@pytest.mark.parametrize("rate", [10, 50])
async def test_requests_are_sent_at_the_rate_and_not_faster(clock, rate):
    paced = Pace(clock.now)
    paced.allow(rate)
    assert await sent(paced, clock, 20) == pytest.approx(20 * rate, abs=5)


async def test_after_a_pause_there_is_no_burst(clock):
    paced = Pace(clock.now)
    paced.allow(10)
    clock.seconds += 60
    began = clock.now()
    for _ in range(14):
        await paced.turn()
    assert clock.now() - began == pytest.approx(1)


async def test_overload_halves_the_rate_once_a_second(clock):
    paced = Pace(clock.now)
    paced.allow(40)
    for status in (503, 503, 429):
        paced.observe(status)
    assert paced.rate == 20
    clock.seconds += 1
    paced.observe(504)
    assert paced.rate == 10


async def test_an_overload_that_goes_on_leaves_one_request_a_second(clock):
    paced = Pace(clock.now)
    for _ in range(20):
        clock.seconds += 1
        paced.slow_down()
    assert paced.rate == 1


async def test_after_an_overload_the_rate_rises_again(clock):
    paced = Pace(clock.now)
    paced.allow(40)
    paced.slow_down()
    for _ in range(10):
        clock.seconds += 1
        paced.observe(200)
    assert paced.rate == 40


async def test_a_lower_rate_counts_for_requests_that_wait_already(clock):
    paced = Pace(clock.now)
    paced.allow(10)
    await sent(paced, clock, 1)
    paced.allow(1)
    assert await sent(paced, clock, 10) <= 12


async def test_all_requests_of_a_run_share_one_budget():
    async def of_another_task():
        return pace()

    assert await asyncio.create_task(of_another_task()) is pace()


@pytest.mark.parametrize(
    ("observed", "rate"), [(0, 10), (28, 10), (250, 25), (400, 40), (100_000, 50)]
)
def test_the_budget_is_a_share_of_the_observed_traffic_within_bounds(observed, rate):
    assert OwnRequests().rate(observed) == rate


def test_a_least_rate_above_the_highest_is_refused():
    with pytest.raises(ValueError, match="least: 60 is more than most 50"):
        OwnRequests(least=60.0)
