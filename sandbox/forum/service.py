"""The monolith's ECS service: cluster, log group, role, task definition, service, autoscaling."""

import json
from typing import Any, Final

from sandbox.api.internal import REGION, internal_client
from sandbox.forum.network import PORT, Network

__all__ = ["CLUSTER", "SERVICE", "TASKS", "place_cluster", "place_service"]

CLUSTER: Final = "forum"
SERVICE: Final = "monolith"
TASKS: Final = 2
"""Its desired count."""

_CONTAINER: Final = "monolith-cntr"
_LOG_GROUP: Final = "/ecs/forum-monolith"
_ROLE: Final = "ecsTaskExecutionRole"
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
# A copy of AWS's managed policy AmazonECSTaskExecutionRolePolicy.
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


def place_cluster(endpoint_url: str) -> str:
    """Create cluster, log group and execution role; return the role's ARN."""
    internal_client(endpoint_url, "ecs").create_cluster(clusterName=CLUSTER)
    internal_client(endpoint_url, "logs").create_log_group(logGroupName=_LOG_GROUP)
    iam = internal_client(endpoint_url, "iam")
    made = iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=json.dumps(_TRUST))
    policy = json.dumps(_EXECUTION_POLICY)
    iam.put_role_policy(RoleName=_ROLE, PolicyName="execution", PolicyDocument=policy)
    return str(made["Role"]["Arn"])


def place_service(endpoint_url: str, network: Network, image: str, role: str) -> None:
    """Create the service behind the network's load balancer, with autoscaling."""
    ecs = internal_client(endpoint_url, "ecs")
    definition = ecs.register_task_definition(
        family="monolith-task-def",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn=role,
        containerDefinitions=[_container(image)],
    )
    ecs.create_service(
        cluster=CLUSTER,
        serviceName=SERVICE,
        taskDefinition=definition["taskDefinition"]["taskDefinitionArn"],
        desiredCount=TASKS,
        launchType="FARGATE",
        loadBalancers=[_load_balancer(network)],
        networkConfiguration={"awsvpcConfiguration": _awsvpc(network)},
        healthCheckGracePeriodSeconds=30,
    )
    internal_client(endpoint_url, "application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=f"service/{CLUSTER}/{SERVICE}",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=TASKS,
        MaxCapacity=2 * TASKS,
    )


def _container(image: str) -> dict[str, Any]:
    return {
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


def _load_balancer(network: Network) -> dict[str, Any]:
    return {
        "targetGroupArn": network.target_group_arn,
        "containerName": _CONTAINER,
        "containerPort": PORT,
    }


def _awsvpc(network: Network) -> dict[str, Any]:
    return {
        "subnets": network.subnets,
        "securityGroups": [network.security_group],
        "assignPublicIp": "ENABLED",
    }
