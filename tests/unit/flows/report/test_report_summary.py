"""A run in sentences: the headline and the next steps."""

import pytest

from flows.record.outcome import Event, Outcome, ServiceOutcome, TrafficOutcome
from flows.report.summary import headline, next_steps
from tests.unit.flows.report.report_data import events, outcome

NONE_FAILED = TrafficOutcome(requests=14211, failed=0)
SOME_FAILED = TrafficOutcome(requests=14211, failed=11)


def test_a_good_run_is_one_sentence():
    assert headline(outcome(NONE_FAILED), events()) == (
        "3 services moved, monolith drained, 14,211 requests, none failed"
    )


def test_a_service_that_was_rolled_back_is_named():
    assert headline(outcome(SOME_FAILED, "posts"), events("posts")) == (
        "2 of 3 services moved, posts rolled back to the monolith, monolith still running, 14,211 "
        "requests, 11 failed"
    )


def test_a_service_that_never_had_traffic_was_not_rolled_back():
    services = {"users": ServiceOutcome(stage="failed")}
    assert headline(Outcome(status="failed", services=services), []) == "users failed"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("refused", "Refused; nothing was changed"),
        ("planned", "Plan for 1 service; nothing was changed"),
        ("unchanged", "Nothing to do: 1 service settled"),
    ],
)
def test_the_headline_of_a_run_that_changed_nothing(status, expected):
    services = {"users": ServiceOutcome(stage="settled", weight=100)}
    assert headline(Outcome(status=status, services=services), []) == expected


def test_returned_services_are_rolled_back_to_the_monolith():
    services = {"users": ServiceOutcome(stage="returned", weight=0)}
    assert (
        headline(Outcome(status="completed", services=services), [])
        == "1 service rolled back to the monolith"
    )


def test_a_run_that_failed_before_it_began_has_a_headline():
    assert headline(Outcome(status="failed"), []) == "Failed before any service was moved"


def test_a_completed_run_without_services_has_a_headline():
    assert headline(Outcome(status="completed"), [])


@pytest.mark.parametrize("status", ["failed", "refused", "planned"])
def test_there_is_a_next_step_where_there_is_something_to_do(status):
    assert next_steps(Outcome(status=status), [])


def test_after_a_failure_the_first_step_is_about_the_failed_service():
    assert next_steps(outcome(SOME_FAILED, "posts"), events("posts"))[0].startswith("posts: ")


def test_a_rollback_is_suggested_only_if_a_service_has_traffic():
    services = {"users": ServiceOutcome(stage="failed", weight=0)}
    assert not any(
        "rollback" in step for step in next_steps(Outcome(status="failed", services=services), [])
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["users", "posts"], "users and posts failed"),
        (["users", "posts", "threads"], "users, posts and threads failed"),
        (["users", "posts", "threads", "likes"], "4 services failed"),
    ],
)
def test_services_that_failed_alike_are_listed_together(names, expected):
    services = {name: ServiceOutcome(stage="failed") for name in names}
    assert headline(Outcome(status="failed", services=services), []) == expected


def settled(task_definition=None, stage="settled"):
    return ServiceOutcome(stage=stage, weight=100, task_definition=task_definition)


def test_redeployed_services_are_counted():
    outcome = Outcome(status="completed", services={"users": settled(), "posts": settled()})
    assert (
        headline(outcome, [Event(1.0, "stage", "users", "rolling out")])
        == "2 services settled (1 redeployed)"
    )


def test_after_a_failed_rollout_the_first_step_names_the_revision_that_runs():
    services = {
        "users": settled(
            "arn:aws:ecs:eu-central-1:1:task-definition/users-task-def:2", stage="failed"
        )
    }
    assert "users-task-def:2" in next_steps(Outcome(status="failed", services=services), [])[0]
