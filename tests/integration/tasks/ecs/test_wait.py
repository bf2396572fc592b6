"""Waiting for a service that somebody has deleted."""

from pathlib import Path

import pytest

from config.errors import ServiceUnhealthy
from config.load import load_config
from tasks.ecs.wait import wait_until_healthy


@pytest.fixture
def deleted_service(sandbox):
    """Name of a service that was deleted: ECS still describes it, as INACTIVE."""
    ecs = sandbox.boto("ecs")
    monolith = ecs.describe_services(cluster="forum", services=["monolith"])["services"][0]
    ecs.create_service(
        cluster="forum",
        serviceName="vanished",
        taskDefinition=monolith["taskDefinition"],
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration=monolith["networkConfiguration"],
    )
    ecs.delete_service(cluster="forum", service="vanished", force=True)
    return "vanished"


@pytest.mark.parametrize("cluster", ["forum", "arn:aws:ecs:us-east-1:123456789012:cluster/forum"])
async def test_a_deleted_service_is_reported_as_such(sandbox, deleted_service, cluster):
    aws = load_config(Path(sandbox.state["config"])).aws
    with pytest.raises(
        ServiceUnhealthy, match="ECS service vanished no longer exists in cluster forum"
    ):
        await wait_until_healthy.fn(aws, cluster, deleted_service, "arn:revision", "arn:group", 5.0)
