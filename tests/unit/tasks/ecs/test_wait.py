"""When a wait for a healthy service ends early: the service will not become healthy by itself."""

import pytest

from tasks.ecs.wait import why_hopeless

WANTED = "arn:aws:ecs:eu-central-1:123456789012:task-definition/users-task-def:2"
OLDER = "arn:aws:ecs:eu-central-1:123456789012:task-definition/users-task-def:1"


def service(*deployments, status="ACTIVE", running=WANTED):
    return {"status": status, "taskDefinition": running, "deployments": list(deployments)}


def deployment(revision=WANTED, **fields):
    return {"taskDefinition": revision, **fields}


@pytest.mark.parametrize("state", ["IN_PROGRESS", "COMPLETED"])
def test_a_service_with_the_wanted_deployment_may_become_healthy(state):
    assert why_hopeless(service(deployment(rolloutState=state)), WANTED) is None


def test_a_service_without_the_wanted_deployment_was_rolled_back():
    rolled_back = service(deployment(OLDER), running=OLDER)
    assert why_hopeless(rolled_back, WANTED) == "ECS rolled it back to users-task-def:1"


def test_a_failed_deployment_has_the_reason_of_ecs():
    failed = deployment(rolloutState="FAILED", rolloutStateReason="tasks failed to start")
    assert why_hopeless(service(failed), WANTED) == "tasks failed to start"


def test_a_service_that_is_being_deleted_was_not_rolled_back():
    assert why_hopeless(service(status="DRAINING"), WANTED) == "somebody is deleting it"
