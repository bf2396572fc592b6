"""Which services a redeploy changes."""

import pytest

from flows.plan.change import PlannedChange, ServicePlan
from flows.plan.redeploy import plan_redeploy
from flows.service.rolling_update import good_revision
from tasks.aws.change import Conflict, Create, NoChange, Update
from tasks.state.service import ServiceState

NOTHING = NoChange()
NEW_REVISION = Update({"taskDefinition": ("users-task-def:1", "users-task-def:2")})


def deployment(revision="users-task-def:1", state="COMPLETED", status="PRIMARY"):
    return {"taskDefinition": revision, "rolloutState": state, "status": status}


def service_plan(
    weight=100,
    service=NOTHING,
    rule=NOTHING,
    image=NOTHING,
    deployments=None,
    wanted="c-1",
):
    held = {"serviceName": "users", "deployments": deployments or [deployment()]}
    state = ServiceState(
        repository=None,
        digest="sha256:1",
        log_group=None,
        task_role=None,
        task_definition=None,
        target_group=None,
        health=None,
        rules=(),
        service=None if isinstance(service, Create) else held,
    )
    changes = (
        *([PlannedChange("image", f"users:{wanted}", image)] if image else []),
        PlannedChange("ECS service", "users", service),
        PlannedChange("listener rule", "/api/users*", rule),
        PlannedChange("preview rule", "/api/users*", Create(), temporary=True),
    )
    return ServicePlan("users", changes, weight, (100,), wanted, state)


def names(plans):
    return [plan.service for plan in plans]


def test_a_service_that_runs_what_it_should_is_unchanged():
    assert names(plan_redeploy([service_plan()]).unchanged) == ["users"]


def test_a_service_with_a_new_revision_is_changed():
    assert names(plan_redeploy([service_plan(service=NEW_REVISION)]).changed) == ["users"]


@pytest.mark.parametrize("weight", [0, 10, 99])
def test_a_service_that_does_not_have_all_its_requests_is_left_alone(weight):
    plan = plan_redeploy([service_plan(weight=weight, service=NEW_REVISION)])
    assert (plan.changed, f"{weight}%" in plan.left_alone["users"]) == ((), True)


def test_rules_without_their_service_are_left_alone():
    assert (
        "no such ECS service" in plan_redeploy([service_plan(service=Create())]).left_alone["users"]
    )


def test_a_rule_that_somebody_else_changed_is_the_reason():
    plan = plan_redeploy([service_plan(weight=0, rule=Conflict("somebody changed it"))])
    assert plan.left_alone == {"users": "somebody changed it"}


def test_listener_rules_are_not_a_redeploy_s():
    plan = plan_redeploy(
        [service_plan(service=NEW_REVISION, rule=Update({"path-pattern": ("/a", "/b")}))]
    )
    assert [item.resource for item in plan.changed[0].changes] == ["image", "ECS service"]


def test_rules_that_a_split_would_change_are_noted():
    plan = plan_redeploy([service_plan(rule=Update({"path-pattern": ("/a", "/b")}))])
    assert (names(plan.unchanged), len(plan.notes)) == (["users"], 1)


@pytest.mark.parametrize(
    "deployments",
    [
        [deployment("users-task-def:2", "IN_PROGRESS"), deployment(status="ACTIVE")],
        [deployment("users-task-def:2", "IN_PROGRESS")],
        [deployment(), deployment("users-task-def:2", "FAILED", "ACTIVE")],
    ],
)
def test_a_rollout_that_has_not_ended_is_taken_up(deployments):
    assert names(plan_redeploy([service_plan(deployments=deployments)]).changed) == ["users"]


def test_a_name_that_is_taken_is_a_conflict():
    plan = plan_redeploy([service_plan(image=Conflict("the repository is somebody else's"))])
    assert plan.conflicts == ["the repository is somebody else's"]


def test_a_rollout_through_a_rule_that_somebody_else_changed_is_refused():
    rule = Conflict("rule 50 has condition http-request-method GET")
    plan = plan_redeploy([service_plan(service=NEW_REVISION, rule=rule)])
    assert plan.conflicts == [rule.reason]
    assert "listener rule" in [row["resource"] for row in plan.rows()]


def test_a_service_without_changes_is_left_with_its_edited_rule():
    plan = plan_redeploy([service_plan(rule=Conflict("somebody changed it"))])
    assert (plan.conflicts, plan.notes) == ([], ("users: somebody changed it",))


def test_a_new_path_that_a_split_refuses_does_not_stop_a_rollout():
    rule = Conflict("'/new' is new", by_config=True)
    assert plan_redeploy([service_plan(service=NEW_REVISION, rule=rule)]).conflicts == []


def test_only_an_image_that_was_never_pushed_is_built():
    pushed = service_plan(service=NEW_REVISION)
    missing = service_plan(service=NEW_REVISION, image=Create())
    assert [plan_redeploy([plan]).to_build() for plan in (pushed, missing)] == [[], ["users"]]


def test_a_ready_image_is_not_built():
    ready = service_plan(service=NEW_REVISION, image=None, wanted="nginx@sha256:1")
    assert plan_redeploy([ready]).to_build() == []


def test_the_good_revision_is_that_of_the_newest_completed_deployment():
    deployments = [deployment("users-task-def:2", "IN_PROGRESS"), deployment(status="ACTIVE")]
    assert good_revision({"deployments": deployments}) == "users-task-def:1"


def test_a_service_whose_first_deployment_fails_has_no_good_revision():
    assert good_revision({"deployments": [deployment(state="FAILED")]}) is None
