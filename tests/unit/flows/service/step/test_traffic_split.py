"""Whether an observed split is the expected one, by header and by request rate."""

from itertools import cycle
from types import SimpleNamespace

import httpx
import pytest

from config.traffic import Gates, Step
from flows.service.step import request_rate as module
from flows.service.step import traffic_split
from flows.service.step.probes import Probes
from flows.service.step.request_rate import _first_period, _next_end
from flows.service.step.traffic_split import _Backends, _Sample, _take_sample, sample_size
from tasks.http.client import Response

NOON = 1_764_072_000
BACKENDS = _Backends(header="X-Served-By", service="users", monolith="forum")


def sample(reached, *, weight=10, requests=100):
    return _Sample(weight=weight, requests=requests, reached=reached)


@pytest.mark.parametrize(
    ("reached", "matches"),
    # The weight, 10 points of tolerance, and 9 points of chance in a hundred requests.
    [(0, False), (1, True), (10, True), (28, True), (29, True), (30, False)],
)
def test_a_sample_matches_within_tolerance_and_chance(reached, matches):
    assert sample(reached).matches(10) is matches


@pytest.mark.parametrize(("reached", "matches"), [(100, True), (90, True), (89, False)])
def test_at_100_percent_chance_allows_nothing(reached, matches):
    assert sample(reached, weight=100).matches(10) is matches


def test_a_sample_without_responses_matches_nothing():
    assert not sample(0, weight=100, requests=0).matches(100)


@pytest.mark.parametrize(("weight", "size"), [(100, 100), (10, 100), (3, 334), (1, 1000)])
def test_a_sample_is_large_enough_for_a_small_weight_to_show(weight, size):
    assert sample_size(weight) == size


def test_a_sample_has_its_numbers():
    assert (str(sample(9)), sample(9).numbers) == (
        "9% of 100 requests",
        {"observed": 9.0, "expected": 10, "unit": "percent", "requests": 100, "reached": 9},
    )


@pytest.mark.parametrize(
    ("name", "backend"), [("users", "users"), ("forum", "forum"), ("shop", None), (None, None)]
)
def test_only_the_two_backends_are_counted(name, backend):
    headers = httpx.Headers({"x-served-by": name} if name else {})
    assert BACKENDS.of(Response(200, headers)) == backend


async def test_samples_that_the_monolith_answers_are_kept_as_its_own(monkeypatch):
    names = cycle([{"x-served-by": "users"}, {"x-served-by": "forum"}, {}])

    async def fetch(*_):
        return Response(500, httpx.Headers(next(names)), at=1.0)

    monkeypatch.setattr(traffic_split, "fetch", fetch)
    analysis = SimpleNamespace(
        step=Step(weight=50),
        previous=None,
        gates=Gates(),
        probes=Probes(),
        placement=SimpleNamespace(user=None, requests=("/api/users/1",)),
    )
    sample = await _take_sample(None, analysis, BACKENDS)
    kept = analysis.probes.sent_to_monolith(0.0, 9.0, 50)
    assert len(analysis.probes.counted(0.0, 9.0)) == sample.reached
    assert kept.failed >= sample.requests - sample.reached > 0


@pytest.mark.parametrize(
    ("service", "monolith", "distinct"),
    [("users", "forum", True), ("forum", "forum", False), ("", "forum", False)],
)
def test_backends_of_one_name_are_not_distinct(service, monolith, distinct):
    backends = _Backends(header="X-Served-By", service=service, monolith=monolith)
    assert backends.are_distinct is distinct


@pytest.mark.parametrize(
    ("since", "first"),
    [(NOON, NOON + 60), (NOON + 15, NOON + 60), (NOON + 58, NOON + 120)],
)
def test_requests_are_counted_in_whole_periods_in_which_the_weight_is_in_force(since, first):
    assert _first_period(Gates(metrics_period=60), since) == first


@pytest.mark.parametrize(("now", "end"), [(239, NOON + 60), (241, NOON + 120)])
async def test_periods_are_counted_once_they_are_complete(monkeypatch, now, end):
    """A period of a minute, and two minutes of lag."""
    moments = iter([NOON + now, NOON + 300])
    monkeypatch.setattr(module.time, "time", lambda: next(moments))

    async def sleep(_):
        pass

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    assert await _next_end(Gates(metrics_period=60, metrics_lag=120.0), NOON) == end
