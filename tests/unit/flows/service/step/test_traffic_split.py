"""Whether an observed split is the expected one, by header and by request rate."""

import httpx
import pytest

from flows.service.step.request_rate import Observed, _Traffic, expected_rate
from flows.service.step.traffic_split import _Backends, _Sample, sample_size
from tasks.http.client import Response

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


@pytest.mark.parametrize(
    ("service", "monolith", "distinct"),
    [("users", "forum", True), ("forum", "forum", False), ("", "forum", False)],
)
def test_backends_of_one_name_are_not_distinct(service, monolith, distinct):
    backends = _Backends(header="X-Served-By", service=service, monolith=monolith)
    assert backends.are_distinct is distinct


@pytest.mark.parametrize(
    ("previous", "weight", "rate"),
    [(None, 10, 0.0), (Observed(10, 2.0), 50, 6.0), (Observed(50, 10.0), 100, 15.0)],
)
def test_the_rate_has_to_grow_halfway_with_the_weight(previous, weight, rate):
    assert expected_rate(weight, previous) == rate


@pytest.mark.parametrize(
    ("requests", "expected", "matches"),
    [(60, 0.5, True), (30, 0.5, True), (29, 0.5, False), (0, 0.0, False)],
)
def test_traffic_matches_from_theexpected_rate_on(requests, expected, matches):
    assert traffic(requests, expected).matches is matches


def traffic(requests, expected):
    return _Traffic(name="users", requests=requests, seconds=60, expected=expected)


def test_traffic_has_its_numbers():
    assert (str(traffic(72, 0.6)), traffic(72, 0.6).numbers) == (
        "1.2 requests/s reached users",
        {"observed": 1.2, "expected": 0.6, "unit": "requests/s", "requests": 72},
    )
