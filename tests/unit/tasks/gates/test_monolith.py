"""Whether the monolith bears what it gets, and whether a service can take what it is given."""

import pytest

from config.traffic import Gates
from tasks.cloudwatch.metrics import Window
from tasks.gates import gets_slower, is_worth_a_return, judge_monolith
from tasks.gates.capacity import Capacity, judge_capacity, tasks_for

GATES = Gates()
PAST = Window(requests=6000, failed=60, seconds=600, p95=0.2)


def minute(requests, failed, **others):
    return Window(requests=requests, failed=failed, seconds=60, **others)


@pytest.mark.parametrize(
    ("requests", "failed", "verdict"),
    [
        (600, 0, "pass"),
        (600, 6, "pass"),
        (600, 12, "pass"),
        (600, 60, "inconclusive"),
        # The service has taken the good paths: the failures are as many a minute as ever.
        (60, 6, "pass"),
        (0, 0, "pass"),
    ],
)
def test_a_monolith_that_fails_more_than_ever_makes_the_step_wait(requests, failed, verdict):
    assert judge_monolith(GATES, minute(requests, failed), PAST).verdict == verdict


def test_without_a_past_nothing_is_known_about_the_monolith():
    assert judge_monolith(GATES, minute(600, 60), Window()).verdict == "pass"


@pytest.mark.parametrize(
    ("p95", "slower"), [(0.2, False), (0.4, False), (0.41, True), (None, False)]
)
def test_a_monolith_that_gets_slower_gets_fewer_requests(p95, slower):
    assert gets_slower(GATES, minute(600, 0, p95=p95), PAST) is slower


@pytest.mark.parametrize(("service", "worth"), [(10, True), (120, True), (121, False)])
def test_traffic_returns_where_that_adds_little_to_what_the_monolith_gets(service, worth):
    assert is_worth_a_return(minute(service, 0), minute(600, 60)) is worth


@pytest.mark.parametrize(
    ("weight", "tasks"), [(1, 1), (10, 1), (25, 1), (26, 2), (50, 2), (100, 4)]
)
def test_a_share_of_the_traffic_needs_a_share_of_the_tasks(weight, tasks):
    assert tasks_for(4, weight) == tasks


@pytest.mark.parametrize(
    ("capacity", "verdict"),
    [
        (Capacity(4, 4, None), "pass"),
        (Capacity(5, 5, 4), "pass"),
        (Capacity(4, 3, None), "fail"),
        (Capacity(3, 4, None), "fail"),
        (Capacity(4, 4, 1), "fail"),
    ],
)
def test_a_service_needs_tasks_that_run_are_healthy_and_stay(capacity, verdict):
    assert judge_capacity(capacity, 4, 100).verdict == verdict


def test_missing_capacity_is_named():
    judgement = judge_capacity(Capacity(4, 4, 1), 4, 100)
    assert judgement.text == (
        "capacity: 4 running, 4 healthy, scaling may go down to 1; weight 100% needs 4"
    )
