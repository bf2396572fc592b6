"""A microservice whose ECS service somebody has deleted a moment ago."""

from pathlib import Path

import pytest

from config.load import load_config
from flows.service import running as module
from flows.service.running import ensure_running
from tasks.aws.tags import Owner
from tasks.ecs.service import Service, delete_service, ensure_service
from tasks.ecs.wait import wait_until_gone, wait_while_draining

NAME = "deleted"
OWNER = Owner("forum", NAME)


@pytest.fixture
def deleted(sandbox, monkeypatch):
    """A service with a task, deleted by hand: it still drains. Gone again after the test."""
    ecs = sandbox.boto("ecs")
    aws = load_config(Path(sandbox.state["config"])).aws
    monolith = ecs.describe_services(cluster="forum", services=["monolith"])["services"][0]
    request = {
        "cluster": "forum",
        "serviceName": NAME,
        "taskDefinition": monolith["taskDefinition"],
        "desiredCount": 1,
        "launchType": "FARGATE",
        "loadBalancers": [],
        "healthCheckGracePeriodSeconds": 0,
        "networkConfiguration": monolith["networkConfiguration"],
    }
    desired = Service(NAME, request, OWNER)
    # Without a flow run there is no journal, and no Prefect server.
    monkeypatch.setattr(module, "emit", lambda *_: None)
    monkeypatch.setattr(module, "ensure_service", ensure_service.fn)
    monkeypatch.setattr(module, "wait_while_draining", wait_while_draining.fn)
    ensure_service.plain(aws, desired)
    waiter = ecs.get_waiter("services_stable")
    waiter.wait(cluster="forum", services=[NAME], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    answer = ecs.delete_service(cluster="forum", service=NAME, force=True)
    assert answer["service"]["status"] == "DRAINING"
    return desired


async def test_a_split_creates_a_deleted_service_again_once_it_has_drained(sandbox, deleted):
    config = load_config(Path(sandbox.state["config"]))
    service = config.service("users")
    try:
        await ensure_running(config, service, deleted)
        ecs = sandbox.boto("ecs")
        (found,) = ecs.describe_services(cluster="forum", services=[NAME])["services"]
        assert (found["status"], found["desiredCount"]) == ("ACTIVE", 1)
    finally:
        delete_service.plain(config.aws, "forum", NAME, OWNER)
        await wait_until_gone.fn(config.aws, "forum", NAME, 60)
