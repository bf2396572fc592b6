"""The ECS scheduler's decisions, without running anything."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sandbox.ecs.model.deployment import breaker_threshold
from sandbox.ecs.model.names import page
from sandbox.ecs.model.schedule import plan_step
from sandbox.ecs.model.task import Task

DEFINITION = {
    "taskDefinitionArn": "arn:aws:ecs:us-east-1:1:task-definition/app:1",
    "containerDefinitions": [],
}
ROLLING = {"minimumHealthyPercent": 100, "maximumPercent": 200}
STANDINGS = ("pending", "healthy", "unhealthy")


def tasks(**counts):
    made = []
    for standing, count in counts.items():
        for _ in range(count):
            task = Task(cluster="c", definition=DEFINITION, network=None, group="service:app")
            task.standing = standing
            made.append(task)
    return made


def plan(desired, primary=(), former=(), configuration=ROLLING, may_start=True):
    return plan_step(desired, configuration, list(primary), list(former), may_start=may_start)


def test_an_empty_service_starts_its_desired_count():
    assert plan(3).start == 3


def test_a_service_at_its_desired_count_does_nothing():
    step = plan(2, tasks(healthy=2))
    assert (step.start, step.stop) == (0, ())


def test_new_tasks_start_beside_the_old_ones_up_to_the_maximum():
    assert (
        plan(4, former=tasks(healthy=4), configuration=ROLLING | {"maximumPercent": 150}).start == 2
    )


def test_no_old_task_stops_before_a_new_one_is_healthy():
    assert plan(2, tasks(pending=2), tasks(healthy=2)).stop == ()


def test_each_healthy_new_task_lets_one_old_task_stop():
    assert len(plan(3, tasks(healthy=1, pending=2), tasks(healthy=3)).stop) == 1


def test_old_tasks_make_room_first_when_the_maximum_leaves_none_and_the_minimum_allows_it():
    step = plan(
        4,
        former=tasks(healthy=4),
        configuration={"minimumHealthyPercent": 50, "maximumPercent": 100},
    )
    assert (step.start, len(step.stop)) == (0, 2)


def test_old_tasks_that_are_not_healthy_yet_stop_at_once():
    assert len(plan(2, former=tasks(healthy=1, pending=1)).stop) == 1


def test_an_unhealthy_task_is_replaced_before_it_stops():
    step = plan(1, tasks(unhealthy=1))
    assert (step.start, step.stop) == (1, ())


def test_an_unhealthy_task_stops_when_its_replacement_is_healthy():
    sick = tasks(unhealthy=1)
    assert plan(1, [*sick, *tasks(healthy=1)]).stop == tuple(sick)


def test_an_unhealthy_task_stops_when_its_replacement_is_unhealthy_too():
    assert len(plan(1, tasks(unhealthy=2)).stop) == 1


def test_an_unhealthy_task_stops_first_when_the_maximum_leaves_no_room():
    sick = tasks(unhealthy=1)
    assert plan(1, sick, tasks(healthy=1)).stop == tuple(sick)


def test_scaling_in_stops_pending_tasks_first():
    pending = tasks(pending=1)
    assert plan(2, [*tasks(healthy=2), *pending]).stop == tuple(pending)


def test_scaling_to_zero_stops_everything():
    assert len(plan(0, tasks(healthy=2), tasks(healthy=1)).stop) == 3


def test_a_failed_deployment_starts_nothing_and_leaves_the_old_tasks():
    step = plan(2, former=tasks(healthy=2), may_start=False)
    assert (step.start, step.stop) == (0, ())


counts = st.fixed_dictionaries({standing: st.integers(0, 5) for standing in STANDINGS})


@given(
    st.integers(1, 6),
    counts,
    counts,
    st.sampled_from([(100, 200), (50, 100), (50, 150), (0, 100), (100, 125)]),
    st.booleans(),
)
def test_a_step_never_goes_below_the_minimum_of_healthy_tasks(
    desired, primary, former, percents, may_start
):
    new, old = tasks(**primary), tasks(**former)
    configuration = dict(zip(("minimumHealthyPercent", "maximumPercent"), percents, strict=True))
    step = plan(desired, new, old, configuration, may_start)
    healthy = sum(task.standing == "healthy" for task in (*new, *old))
    left = healthy - sum(task.standing == "healthy" for task in step.stop)
    assert left >= min(healthy, -(-desired * percents[0] // 100))


@given(
    st.integers(1, 6), counts, counts, st.sampled_from([(100, 200), (50, 100), (50, 150), (0, 100)])
)
def test_a_step_never_starts_more_than_the_maximum_allows(desired, primary, former, percents):
    new, old = tasks(**primary), tasks(**former)
    configuration = dict(zip(("minimumHealthyPercent", "maximumPercent"), percents, strict=True))
    step = plan(desired, new, old, configuration)
    total = len(new) + len(old) - len(step.stop) + step.start
    assert step.start == 0 or total <= max(1, desired * percents[1] // 100)


@given(st.integers(1, 6), counts, counts)
def test_a_step_stops_no_task_twice(desired, primary, former):
    step = plan(desired, tasks(**primary), tasks(**former))
    assert len(step.stop) == len({task.id for task in step.stop})


@given(st.integers(0, 5), st.integers(0, 5), st.sampled_from([(100, 200), (50, 100), (0, 100)]))
def test_steps_in_a_row_reach_the_desired_count_of_new_tasks(desired, old_count, percents):
    # With one task, 50 % at least is one and 100 % at most is one: AWS cannot deploy that either.
    assume(-(-desired * percents[0] // 100) < desired * percents[1] // 100 or desired == 0)
    configuration = dict(zip(("minimumHealthyPercent", "maximumPercent"), percents, strict=True))
    new, old = [], tasks(healthy=old_count)
    for _ in range(50):
        step = plan(desired, new, old, configuration)
        old = [task for task in old if task not in step.stop]
        new = [task for task in new if task not in step.stop] + tasks(healthy=step.start)
    assert (len(new), len(old)) == (desired, 0)


@pytest.mark.parametrize(
    ("desired", "threshold"), [(0, 3), (1, 3), (6, 3), (7, 4), (25, 13), (400, 200), (1000, 200)]
)
def test_the_breaker_trips_at_half_the_desired_count_between_3_and_200(desired, threshold):
    assert breaker_threshold({"enable": True}, desired) == threshold


def test_the_breaker_takes_a_threshold_of_its_own():
    assert breaker_threshold({"thresholdConfiguration": {"type": "COUNT", "value": 1}}, 9) == 1


def test_pages_hold_every_item_once():
    items, seen, token = list("abcdefg"), [], {}
    while token is not None:
        answer = page("items", items, {"maxResults": 3, **token}, 10)
        seen += answer["items"]
        token = {"nextToken": answer["nextToken"]} if "nextToken" in answer else None
    assert seen == items
