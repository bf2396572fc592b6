"""Requests in buckets, and labels that do not cover each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.report.client_log import LoggedRequest
from flows.report.html.labels import Label, place_labels
from flows.report.html.series import bucket_seconds, collect_series
from tests.unit.flows.report.report_data import LENGTH, START, answers


def test_responses_per_second_are_the_rate_of_the_requests():
    series = collect_series(answers(), START, START + LENGTH)
    totals = [bucket.total_rate() for bucket in series.buckets]
    assert totals == pytest.approx([250] * len(totals), rel=0.02)


def test_failures_are_in_the_bucket_in_which_they_were_sent():
    series = collect_series(answers("posts"), START, START + LENGTH)
    failures = [request for request in answers("posts") if request.failed]
    for bucket in series.buckets:
        own = [one for one in failures if bucket.begin <= one.t < bucket.begin + bucket.size]
        assert bucket.failed == len(own)


def test_a_second_without_responses_is_a_gap_in_the_latency():
    found = [LoggedRequest(START + t, "/", 200, "users", 0.01, None) for t in (0.1, 2.1)]
    buckets = collect_series(found, START, START + 3).buckets
    assert [bucket.milliseconds("users", 0.5) for bucket in buckets] == [10, None, 10]


def test_no_requests_are_no_buckets():
    assert collect_series([], START, START + 3).buckets == []


@pytest.mark.parametrize(
    ("span", "seconds"), [(90, 1), (900, 1), (901, 2), (86_400, 120), (10_000_000, 3600)]
)
def test_long_runs_have_longer_buckets(span, seconds):
    assert bucket_seconds(span) == seconds


labels = st.lists(st.builds(Label, st.floats(0, 1), st.floats(0.01, 0.5)), max_size=20)


@given(labels, st.integers(1, 3))
def test_no_two_labels_of_a_level_cover_each_other(found, levels):
    placed = [
        (level, label)
        for level, label in zip(place_labels(found, levels), found, strict=True)
        if level is not None
    ]
    assert not any(
        level == other_level and label.overlaps(other)
        for number, (level, label) in enumerate(placed)
        for other_level, other in placed[:number]
    )


def test_earlier_labels_take_precedence():
    assert place_labels([Label(0.2, 0.5), Label(0.3, 0.1)], 1) == [0, None]


def test_a_label_that_is_first_takes_precedence():
    labels = [Label(0.2, 0.5), Label(0.3, 0.1, is_first=True)]
    assert place_labels(labels, 1) == [None, 0]
