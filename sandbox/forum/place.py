"""
Puts the monolith into an empty sandbox, as it would have run in production before anybody thought
of a split.
"""

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from sandbox.api.internal import REGION, internal_client
from sandbox.forum.config import FORUM
from sandbox.forum.image import ImageFailed, push_image
from sandbox.forum.network import PORT, Network, place_network
from sandbox.parts import Parts

__all__ = ["ForumFailed", "Stopped", "place_forum"]

_CLUSTER: Final = "forum"
_SERVICE: Final = "monolith"
_CONTAINER: Final = "monolith-cntr"
_LOG_GROUP: Final = "/ecs/forum-monolith"
_TASKS: Final = 2
_PATIENCE: Final = 60.0
_POLL: Final = 0.05

_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
# Word for word what AWS's managed policy AmazonECSTaskExecutionRolePolicy allows.
_EXECUTION_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "ecr:GetAuthorizationToken",
                "ecr:BatchCheckLayerAvailability",
                "ecr:GetDownloadUrlForLayer",
                "ecr:BatchGetImage",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
            ],
            "Resource": "*",
        }
    ],
}


class ForumFailed(Exception):
    """Raised when the monolith does not come up."""


class Stopped(Exception):
    """Raised when the sandbox is told to end before the monolith is up."""


def place_forum(parts: Parts, stop: threading.Event, say: Callable[[str], None]) -> str:
    """
    Make network, image, roles and service, and wait until the monolith answers through the load
    balancer.

    Returns:
        The load balancer's URL.

    Raises:
        ForumFailed: The image cannot be built, or the monolith does not answer within a minute.
        Stopped: `stop` was set meanwhile.
    """
    url = parts.endpoint_url
    with ThreadPoolExecutor(3, thread_name_prefix="forum") as pool:
        image = pool.submit(
            push_image, url, parts.engine.docker_host, "forum-monolith", FORUM / "monolith"
        )
        network = pool.submit(place_network, url, parts.addresses)
        role = _place_cluster(url)
        try:
            reference = image.result()
        except ImageFailed as error:
            raise ForumFailed(f"image of the monolith: {error}") from None
        placed = network.result()
    if stop.is_set():
        raise Stopped
    say("network and image are there; starting the monolith")
    _place_service(url, placed, reference, role)
    _wait_until_healthy(url, placed, stop)
    _wait_until_answering(placed.alb_url, stop)
    return placed.alb_url


def _place_cluster(endpoint_url: str) -> str:
    """Cluster, log group and execution role; returns the role's ARN."""
    internal_client(endpoint_url, "ecs").create_cluster(clusterName=_CLUSTER)
    internal_client(endpoint_url, "logs").create_log_group(logGroupName=_LOG_GROUP)
    iam = internal_client(endpoint_url, "iam")
    name = "ecsTaskExecutionRole"
    role: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"][
        "Arn"
    ]
    iam.put_role_policy(
        RoleName=name, PolicyName="execution", PolicyDocument=json.dumps(_EXECUTION_POLICY)
    )
    return role


def _place_service(endpoint_url: str, network: Network, image: str, role: str) -> None:
    ecs = internal_client(endpoint_url, "ecs")
    definition = ecs.register_task_definition(
        family="monolith-task-def",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn=role,
        containerDefinitions=[
            {
                "name": _CONTAINER,
                "image": image,
                "essential": True,
                "portMappings": [{"containerPort": PORT, "protocol": "tcp"}],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": _LOG_GROUP,
                        "awslogs-region": REGION,
                        "awslogs-stream-prefix": "ecs",
                    },
                },
            }
        ],
    )
    ecs.create_service(
        cluster=_CLUSTER,
        serviceName=_SERVICE,
        taskDefinition=definition["taskDefinition"]["taskDefinitionArn"],
        desiredCount=_TASKS,
        launchType="FARGATE",
        loadBalancers=[
            {
                "targetGroupArn": network.target_group_arn,
                "containerName": _CONTAINER,
                "containerPort": PORT,
            }
        ],
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": network.subnets,
                "securityGroups": [network.security_group],
                "assignPublicIp": "ENABLED",
            }
        },
        healthCheckGracePeriodSeconds=30,
    )
    internal_client(endpoint_url, "application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=f"service/{_CLUSTER}/{_SERVICE}",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=_TASKS,
        MaxCapacity=2 * _TASKS,
    )


def _wait_until_healthy(endpoint_url: str, network: Network, stop: threading.Event) -> None:
    elb = internal_client(endpoint_url, "elbv2")

    def healthy() -> bool:
        targets = elb.describe_target_health(TargetGroupArn=network.target_group_arn)[
            "TargetHealthDescriptions"
        ]
        return [target["TargetHealth"]["State"] for target in targets] == ["healthy"] * _TASKS

    if not _wait_until(healthy, stop):
        raise ForumFailed(
            f"the monolith's targets are not healthy after {_PATIENCE:.0f} "
            f"s\n{_explain(endpoint_url)}"
        )


def _wait_until_answering(alb_url: str, stop: threading.Event) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{alb_url}/api/users", timeout=5) as answer:  # noqa: S310 - our own address
                return bool(answer.headers["X-Served-By"] == "monolith")
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False

    if not _wait_until(answers, stop):
        raise ForumFailed(
            f"the monolith does not answer at {alb_url}/api/users after {_PATIENCE:.0f} s"
        )


def _wait_until(condition: Callable[[], bool], stop: threading.Event) -> bool:
    """Whether it holds within `_PATIENCE`."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        if stop.wait(_POLL):
            raise Stopped
    return True


def _explain(endpoint_url: str) -> str:
    """The last of what ECS says about the service, and why its tasks stopped."""
    ecs = internal_client(endpoint_url, "ecs")
    service: Any = ecs.describe_services(cluster=_CLUSTER, services=[_SERVICE])["services"][0]
    lines = [event["message"] for event in service["events"][:5]]
    stopped = ecs.list_tasks(cluster=_CLUSTER, serviceName=_SERVICE, desiredStatus="STOPPED")[
        "taskArns"
    ]
    if stopped:
        tasks = ecs.describe_tasks(cluster=_CLUSTER, tasks=stopped[:10])["tasks"]
        lines += sorted(
            {task.get("stoppedReason", "stopped for no known reason") for task in tasks}
        )
    return "\n".join(f"  {line}" for line in lines)
