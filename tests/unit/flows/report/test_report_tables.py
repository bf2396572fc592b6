"""A run as rows."""

import pytest

from flows.record.outcome import Event, Outcome, ServiceOutcome, TrafficOutcome
from flows.report.client_log import summarize
from flows.report.formats import clock, duration, milliseconds
from flows.report.tables import (
    markdown_table,
    problem_rows,
    service_rows,
    traffic_rows,
    verdict_rows,
)
from flows.report.timeline import stage_durations, weight_steps
from tests.unit.flows.report.report_data import answers, events, outcome

TRAFFIC = TrafficOutcome(requests=10, failed=0, by_backend={"monolith": 6, "users": 4})


def test_a_stage_lasts_until_the_next():
    assert stage_durations(events())["users"][1][::2] == ("placing", 3.0)


def test_a_final_stage_takes_no_time():
    assert stage_durations(events())["users"][-1][::2] == ("settled", 0.0)


def test_a_stage_in_progress_lasts_until_the_end():
    assert (
        stage_durations([Event(10, "stage", "users", "proving")], ended=25)["users"][0].seconds
        == 15
    )


def test_weight_changes_are_listed_by_service():
    assert [weight for _, weight in weight_steps(events("posts"))["posts"]] == [10, 50, 0]


def test_a_service_row_has_its_state_and_its_steps():
    row = service_rows(outcome(TRAFFIC), events())[0]
    assert (row["stage"], row["weight"], row["steps"], row["duration"]) == (
        "settled",
        "100%",
        "10 → 50 → 100",
        "45 s",
    )


def test_a_service_without_events_has_a_row():
    assert service_rows(
        Outcome(status="unchanged", services={"users": ServiceOutcome(stage="settled")}), []
    ) == [
        {
            "service": "users",
            "stage": "settled",
            "weight": "-",
            "steps": "-",
            "healthy targets": "-",
            "duration": "-",
            "image": "-",
            "task definition": "-",
        }
    ]


def test_a_verdict_row_has_the_numbers_it_is_based_on():
    breach = next(row for row in verdict_rows(events("posts")) if row["verdict"] == "fail")
    assert breach["numbers"] == "source cloudwatch, requests 168, failed 14"


def test_shares_of_the_traffic_are_in_percent():
    assert [row["share"] for row in traffic_rows(TRAFFIC)] == ["60.0%", "40.0%"]


def test_a_run_without_problems_has_no_problem_rows():
    assert problem_rows(outcome(summarize(answers())), events()) == []


def test_a_failed_service_is_a_problem_with_its_error():
    found = problem_rows(outcome(TRAFFIC, "posts"), events("posts"))
    failed = next(event for event in events("posts") if event.text == "failed")
    assert failed.numbers["error"] in [row["what"] for row in found]


def test_a_markdown_table_keeps_bars_and_line_breaks_in_their_cells():
    assert markdown_table([{"what": "a|b\nc"}]) == "| what |\n| --- |\n| a\\|b<br>c |\n"


def test_no_rows_are_no_table():
    assert markdown_table([]) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (42.4, "42 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7385, "2:03:05 h"),
    ],
)
def test_durations_are_in_units_that_fit(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (0.0034, "3.4 ms"), (0.12, "120 ms")])
def test_latencies_are_milliseconds(seconds, text):
    assert milliseconds(seconds) == text


def test_a_clock_time_has_seconds():
    assert len(clock(0).split(":")) == 3


def test_a_service_that_has_no_stage_yet_has_no_durations():
    assert stage_durations([Event(10, "note", "users", "hello")]) == {"users": []}


def test_the_errors_of_services_are_not_repeated_for_the_run():
    events = [
        Event(10, "stage", "posts", "failed", numbers={"error": "posts crashes\n  its last line"})
    ]
    error = (
        "1 of 3 services failed (posts); forum serves what was not moved\nposts crashes\n  "
        "its last line"
    )
    found = problem_rows(Outcome(status="failed", error=error), events)
    assert [row["what"] for row in found] == [
        "posts crashes\n  its last line",
        "1 of 3 services failed (posts); forum serves what was not moved",
    ]


def test_a_problem_that_occurs_twice_has_the_time_of_the_first():
    events = [
        Event(10, "check", "posts", "wrong", verdict="fail"),
        Event(20, "stage", "posts", "failed", numbers={"error": "wrong"}),
    ]
    assert [row["time"] for row in problem_rows(Outcome(status="failed"), events)] == [clock(10)]
