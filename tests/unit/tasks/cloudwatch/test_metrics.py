"""What a window of CloudWatch's values is, and over which periods it is read."""

import pytest

from tasks.cloudwatch.metrics import TargetGroupRef, Window, _edges, _whole_period, window_of

MINUTE = 60
NOON = 1_764_072_000


def test_an_arn_becomes_the_dimensions_of_cloudwatch():
    ref = TargetGroupRef.of(
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/forum/50dc6c495c0c9188",
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/users-tg/73e2d6bc24d8a067",
    )
    assert ref.dimensions == [
        {"Name": "TargetGroup", "Value": "targetgroup/users-tg/73e2d6bc24d8a067"},
        {"Name": "LoadBalancer", "Value": "app/forum/50dc6c495c0c9188"},
    ]


def test_the_counts_of_all_periods_are_added_up():
    values = {"requests": [10.0, 20.0], "answered_2xx": [9.0, 18.0], "answered_5xx": [1.0, 2.0]}
    assert window_of(values) == Window(requests=30, failed=3, responses=(27, 0, 0))


def test_a_metric_without_values_is_0():
    assert window_of({}) == Window()


@pytest.mark.parametrize(
    ("answered", "balancer_5xx", "failed"),
    [
        (100, 7, 0),  # the load balancer's errors were another group's
        (95, 5, 5),  # five requests died with their task
        (95, 2, 2),  # three of the clients went away by themselves
        (95, 0, 0),
        (103, 5, 0),  # answers of requests that the period before counted
    ],
)
def test_an_unanswered_request_failed_where_the_load_balancer_answered_it(
    answered, balancer_5xx, failed
):
    values = {
        "requests": [100.0],
        "answered_2xx": [float(answered)],
        "balancer_5xx": [float(balancer_5xx)],
    }
    assert window_of(values).failed == failed


def test_a_connection_that_could_not_be_opened_is_the_groups_own_failure():
    values = {"requests": [100.0], "answered_2xx": [97.0], "unconnected": [3.0]}
    window = window_of(values)
    assert (window.failed, window.connection_errors) == (3, 3)


def test_responses_are_counted_by_class():
    values = {"answered_2xx": [1.0, 2.0], "answered_3xx": [4.0], "answered_4xx": [8.0]}
    window = window_of(values)
    assert [window.of_class(family) for family in (2, 3, 4)] == [3, 4, 8]


def test_the_percentiles_of_several_periods_become_their_median():
    assert window_of({"p95": [0.1, 0.9, 0.2]}).p95 == 0.2


@pytest.mark.parametrize(
    ("start", "end", "edges"),
    [
        (NOON, NOON + 60, (NOON, NOON + 60)),
        (NOON + 59.9, NOON + 60, (NOON, NOON + 60)),
        (NOON + 0.1, NOON + 60.1, (NOON, NOON + 120)),
        (NOON, NOON, (NOON, NOON)),
    ],
)
def test_a_window_has_every_period_that_its_span_touches(start, end, edges):
    assert _edges(start, end, MINUTE) == edges


@pytest.mark.parametrize(
    ("start", "span", "period", "whole"),
    [
        (NOON, 60, 60, 60),
        (NOON + 60, 180, 60, 180),
        (NOON, 120, 1, 120),
        # CloudWatch would round the start down to the minute, and take in what was before.
        (NOON + 7, 60, 1, 1),
        (NOON, 13, 1, 1),
        (NOON, 172_800, 60, 60),
    ],
)
def test_percentiles_are_read_over_the_whole_window_where_cloudwatch_has_such_a_period(
    start, span, period, whole
):
    assert _whole_period(start, start + span, period) == whole


@pytest.mark.parametrize(
    ("part", "left"),
    [
        (Window(30, 1), (70, 4)),
        (Window(0, 0), (100, 5)),
        # Probes that CloudWatch counts in the next period.
        (Window(120, 9), (0, 0)),
        (Window(98, 0), (5, 5)),
    ],
)
def test_the_tools_own_requests_are_subtracted_from_the_users(part, left):
    rest = Window(requests=100, failed=5, p95=0.2).without(part)
    assert (rest.requests, rest.failed, rest.p95) == (*left, 0.2)


def test_the_tools_own_responses_are_subtracted_by_class():
    rest = Window(requests=9, responses=(6, 2, 1)).without(Window(requests=4, responses=(4, 0, 2)))
    assert rest.responses == (2, 2, 0)
