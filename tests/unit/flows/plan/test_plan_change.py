"""Rows of a plan, and the comparison of two plans."""

import pytest

from config.errors import BadInput, StalePlan
from flows.plan.change import (
    PlannedChange,
    ServicePlan,
    make_row,
    service_plan_rows,
    verify_plan,
)
from tasks.aws.change import Conflict, Create, NoChange, Update
from tasks.state.service import ServiceState

NOTHING_THERE = ServiceState(
    repository=None,
    digest=None,
    log_group=None,
    task_role=None,
    task_definition=None,
    target_group=None,
    health=None,
    rules=(),
    service=None,
)
LONG = "x" * 200


def rows(change, *, full=False, temporary=False):
    return [PlannedChange("target group", "users-tg", change, temporary).row("users", full=full)]


def differences(planned, fresh):
    """The lines below the heading."""
    with pytest.raises(StalePlan) as error:
        verify_plan(planned, fresh)
    heading, *lines = str(error.value).splitlines()
    assert heading.endswith("nothing was changed, run again:")
    return [line.strip() for line in lines]


@pytest.mark.parametrize(
    ("change", "action", "details"),
    [
        (Create(), "create", ""),
        (NoChange(), "no change", ""),
        (Conflict("it is another's"), "conflict", "it is another's"),
        (
            Update({"Port": (80, 3000), "Path": ("/", "/up")}),
            "update",
            "Port: 80 -> 3000; Path: / -> /up",
        ),
    ],
)
def test_a_change_is_a_row(change, action, details):
    assert rows(change) == [make_row("users", "target group", "users-tg", action, details)]


def test_a_temporary_resource_is_removed_at_the_end():
    assert rows(Create(), temporary=True)[0]["details"] == "removed at the end of the run"


def test_a_long_value_is_shortened():
    assert rows(Update({"Tags": (LONG, "b")}))[0]["details"] == f"Tags: {'x' * 79}… -> b"


def test_a_full_row_has_the_whole_value():
    assert rows(Update({"Tags": (LONG, "b")}), full=True)[0]["details"] == f"Tags: {LONG} -> b"


def test_the_traffic_steps_follow_the_resources():
    plan = ServicePlan("users", (), 10, (10, 50, 100), "c-1", NOTHING_THERE)
    assert service_plan_rows([plan]) == [
        make_row("users", "traffic", "weights", "update", "10% -> 50% -> 100%")
    ]


def test_a_plan_that_is_still_true_is_accepted():
    verify_plan(rows(Create()), rows(Create()))


def test_a_stale_plan_is_bad_input():
    assert issubclass(StalePlan, BadInput)


@pytest.mark.parametrize(
    ("planned", "fresh", "line"),
    [
        (rows(Create()), rows(NoChange()), "planned create, now no change"),
        (rows(Create()), [], "planned create, now nothing"),
        ([], rows(Create()), "planned nothing, now create"),
        (
            rows(Update({"Port": (80, 3000)})),
            rows(Update({"Port": (81, 3000)})),
            "planned update (Port: 80 -> 3000), now update (Port: 81 -> 3000)",
        ),
        (
            rows(Create()),
            [*rows(Create()), *rows(Conflict("it is another's"))],
            "planned create, now create and conflict (it is another's)",
        ),
    ],
)
def test_a_difference_is_named(planned, fresh, line):
    assert differences(planned, fresh) == [f"users: target group users-tg: {line}"]


def test_a_difference_behind_the_shown_part_of_a_value_counts():
    planned = rows(Update({"Tags": (f"{LONG}1", "b")}), full=True)
    fresh = rows(Update({"Tags": (f"{LONG}2", "b")}), full=True)
    assert len(differences(planned, fresh)) == 1


def test_every_difference_is_named():
    other = make_row("posts", "image", "posts:c-1", "create")
    assert differences([*rows(Create()), other], []) == [
        "users: target group users-tg: planned create, now nothing",
        "posts: image posts:c-1: planned create, now nothing",
    ]
