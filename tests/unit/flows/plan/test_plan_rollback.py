"""The plan of a rollback: its rows, and whether it is still true under the lock."""

from dataclasses import replace

import pytest

from config.errors import StalePlan
from flows.plan.rollback import RollbackPlan, verify_rollback
from tasks.discovery import Monolith
from tasks.ecs.size_record import SizeRecord
from tasks.elbv2.rule_matching import Rule, weighted_forward
from tasks.state.owned import OwnedResources

GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup"
MONOLITH, USERS, OTHER = f"{GROUP}/forum-tg/1", f"{GROUP}/users-tg/2", f"{GROUP}/other-tg/3"


def rule(weights):
    condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/users*"]}}
    return Rule("arn:rule/5", 5, (condition,), tuple(weighted_forward(weights)))


def users(weight=100, **changes):
    owned = OwnedResources(
        service="users",
        path_rules=(rule({MONOLITH: 100 - weight, USERS: weight}),),
        private_rules=(),
        ecs_service="users",
        adopted=False,
        revisions=(),
        log_group=None,
        task_role=None,
        repository=None,
        target_group="users-tg",
        target_group_arn=USERS,
        load_balancers=("arn:balancer",),
    )
    return replace(owned, **changes)


def rollback_plan(*owned, **changes):
    monolith = Monolith(
        service="forum",
        service_arn="arn:service/forum",
        desired_count=0,
        running_count=0,
        target_group_arn=MONOLITH,
        target_group_name="forum-tg",
        container="forum",
        port=3000,
        task_definition="forum:1",
        log_group=None,
        tags={},
    )
    found = RollbackPlan(
        monolith=monolith,
        healthy=1,
        record=None,
        taken_over=(),
        owned=owned,
        remove=False,
        abandoned=False,
    )
    return replace(found, **changes)


def shown(found):
    return [
        (row["service"], row["resource"], row["action"], row["details"]) for row in found.rows()
    ]


def test_a_service_with_requests_returns_them():
    assert shown(rollback_plan(users(30))) == [("users", "traffic", "update", "30% -> 0%")]


def test_a_rule_that_somebody_else_changed_is_a_conflict():
    changed = users(path_rules=(rule({OTHER: 1}),))
    assert [row[2] for row in shown(rollback_plan(changed))] == ["conflict"]


def test_a_drained_monolith_gets_its_size_back():
    found = rollback_plan(record=SizeRecord(2, None))
    assert shown(found) == [("forum", "ECS service", "update", "desiredCount: 0 -> 2")]


def test_a_plan_without_a_change_is_empty():
    assert rollback_plan(users(0)).is_empty


def test_a_plan_that_is_still_true_is_accepted():
    verify_rollback(rollback_plan(users(30)), rollback_plan(users(30)))


def test_the_lock_of_a_killed_run_is_this_runs_by_then():
    verify_rollback(rollback_plan(users(30), abandoned=True), rollback_plan(users(30)))


@pytest.mark.parametrize(
    ("fresh", "line"),
    [
        (rollback_plan(users(50)), "planned update (30% -> 0%), now update (50% -> 0%)"),
        (rollback_plan(users(0)), "planned update (30% -> 0%), now nothing"),
    ],
)
def test_another_weight_makes_it_stale(fresh, line):
    with pytest.raises(StalePlan, match="run again") as error:
        verify_rollback(rollback_plan(users(30)), fresh)
    assert f"  users: traffic weights: {line}" in str(error.value).splitlines()


def test_an_ecs_service_that_has_ended_by_itself_is_no_difference():
    draining = rollback_plan(users(0), remove=True)
    verify_rollback(draining, rollback_plan(users(0, ecs_service=None), remove=True))


def test_another_resource_that_is_gone_makes_it_stale():
    with pytest.raises(StalePlan, match="target group users-tg: planned delete, now nothing"):
        verify_rollback(
            rollback_plan(users(0), remove=True),
            rollback_plan(users(0, target_group=None), remove=True),
        )


def test_a_new_reason_not_to_begin_makes_it_stale():
    with pytest.raises(StalePlan, match="no healthy target"):
        verify_rollback(
            rollback_plan(users(30)),
            rollback_plan(users(30), refusals=("forum has no healthy target",)),
        )
