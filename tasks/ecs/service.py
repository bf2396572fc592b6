"""ECS services: the service itself, and why it is not stable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.change import UNKNOWN, Change, Create, Update, compare_fields, refuse_conflict
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import Owner, tag_dict, tag_list
from tasks.aws.task import aws_task
from tasks.cloudwatch.log_group import read_last_lines
from tasks.discovery import Discovered

__all__ = [
    "Service",
    "compare_service",
    "delete_service",
    "desired_service",
    "ensure_service",
    "explain_service",
    "read_service",
    "read_services",
]

_DEPLOYMENT: Final = {
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
}
_EVENTS: Final = 4


@dataclass(frozen=True)
class Service:
    """A CreateService request."""

    name: str
    request: dict[str, Any]
    owner: Owner


def desired_service(
    service: ServiceConfig,
    owner: Owner,
    discovered: Discovered,
    *,
    task_definition: str,
    target_group: str,
) -> Service:
    """
    The ECS service of one microservice.

    Args:
        service: The service.
        owner: Whose it is.
        discovered: Cluster and network.
        task_definition: ARN of the revision, `UNKNOWN` before it is registered.
        target_group: ARN of the target group, `UNKNOWN` before it is made.
    """
    network = {
        "subnets": sorted(discovered.subnets),
        "securityGroups": sorted(discovered.security_groups),
        "assignPublicIp": discovered.assign_public_ip,
    }
    request = {
        "cluster": discovered.cluster_arn,
        "serviceName": service.name,
        "taskDefinition": task_definition,
        "loadBalancers": [
            {
                "targetGroupArn": target_group,
                "containerName": service.container,
                "containerPort": service.port,
            }
        ],
        "desiredCount": service.desired_count,
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": network},
        "deploymentConfiguration": _DEPLOYMENT,
        "deploymentController": {"type": "ECS"},
        "healthCheckGracePeriodSeconds": service.health_check_grace_period,
        "propagateTags": "SERVICE",
    }
    return Service(name=service.name, request=request, owner=owner)


def read_service(aws: AwsConfig, cluster: str, name: str) -> dict[str, Any] | None:
    """
    Describe the service, with its tags as a dict; None when there is none or it was deleted.

    Source: ECS DescribeServices.
    """
    return read_services(aws, cluster, [name]).get(name)


def read_services(aws: AwsConfig, cluster: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """
    Describe at most ten services, by name, as `read_service`.

    Source: ECS DescribeServices.
    """
    answer: Any = client(aws, "ecs").describe_services(
        cluster=cluster, services=list(names), include=["TAGS"]
    )
    there = [service for service in answer["services"] if service["status"] != "INACTIVE"]
    return {
        service["serviceName"]: {**service, "tags": tag_dict(service.get("tags", []))}
        for service in there
    }


def compare_service(desired: Service, observed: dict[str, Any] | None) -> Change:
    """What has to happen to the service."""
    if observed is None:
        return Create()
    conflict = desired.owner.conflict("ECS service", desired.name, observed["tags"])
    if conflict:
        return conflict
    wanted = {
        "taskDefinition": desired.request["taskDefinition"],
        "desiredCount": desired.request["desiredCount"],
        "healthCheckGracePeriodSeconds": desired.request["healthCheckGracePeriodSeconds"],
        "networkConfiguration": desired.request["networkConfiguration"],
        "loadBalancers": desired.request["loadBalancers"],
        "tags": desired.owner.tags,
    }
    network = dict((observed.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {})
    held = {
        "taskDefinition": observed["taskDefinition"],
        "desiredCount": observed["desiredCount"],
        "healthCheckGracePeriodSeconds": observed.get("healthCheckGracePeriodSeconds", 0),
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": sorted(network.get("subnets", [])),
                "securityGroups": sorted(network.get("securityGroups", [])),
                "assignPublicIp": network.get("assignPublicIp", "DISABLED"),
            }
        },
        # Only an adopted service, or one changed by hand, can be behind another target group.
        "loadBalancers": [
            {
                name: balancer.get(name)
                for name in ("targetGroupArn", "containerName", "containerPort")
            }
            for balancer in observed.get("loadBalancers", [])
        ],
        "tags": observed["tags"],
    }
    if observed["desiredCount"] > desired.request["desiredCount"]:
        # More tasks than configured is autoscaling's or an operator's doing, and taking them away
        # is not ours.
        wanted["desiredCount"] = UNKNOWN
    return compare_fields(wanted, held)


@aws_task("ensure ECS service {desired.name}")
def ensure_service(aws: AwsConfig, desired: Service) -> str:
    """
    Create the service, or bring the one that is there into line by a rolling deployment.

    Returns:
        The service ARN.

    Source: ECS CreateService, UpdateService, TagResource.
    """
    ecs = client(aws, "ecs")
    observed = read_service(aws, desired.request["cluster"], desired.name)
    change = compare_service(desired, observed)
    refuse_conflict(change)
    if observed is None:
        tags = tag_list(desired.owner.tags, lower=True)
        return ecs.create_service(**desired.request, tags=tags)["service"]["serviceArn"]
    if isinstance(change, Update):
        changes = {name: desired.request[name] for name in change.fields if name != "tags"}
        if changes:
            ecs.update_service(cluster=desired.request["cluster"], service=desired.name, **changes)
        if "tags" in change.fields:
            tags = tag_list(desired.owner.tags_over(observed["tags"]), lower=True)
            ecs.tag_resource(resourceArn=observed["serviceArn"], tags=tags)
    return str(observed["serviceArn"])


@aws_task("delete ECS service {name}")
def delete_service(aws: AwsConfig, cluster: str, name: str, owner: Owner) -> None:
    """
    Delete the service with its tasks, if it is there and the owner made it; it drains for a while
    before it is gone.

    Source: ECS DeleteService.
    """
    ecs = client(aws, "ecs")
    observed = read_service(aws, cluster, name)
    if observed is None or not owner.made(observed["tags"]) or observed["status"] == "DRAINING":
        return
    try:
        ecs.delete_service(cluster=cluster, service=name, force=True)
    except (ecs.exceptions.ServiceNotFoundException, ecs.exceptions.ServiceNotActiveException):
        log().info("ECS service %s is gone already", name)


def explain_service(aws: AwsConfig, cluster: str, name: str) -> str:
    """
    Why a service is not stable: its last events, why tasks stopped, and the last lines they wrote.

    Source: ECS DescribeServices, ListTasks, DescribeTasks; CloudWatch Logs GetLogEvents.
    """
    ecs = client(aws, "ecs")
    service = read_service(aws, cluster, name) or {}
    lines = [f"  event: {event['message']}" for event in service.get("events", [])[:_EVENTS]]
    stopped = ecs.list_tasks(cluster=cluster, serviceName=name, desiredStatus="STOPPED")["taskArns"]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=stopped[:100])["tasks"] if stopped else []
    tasks.sort(key=lambda task: str(task.get("stoppedAt", "")))
    if tasks:
        lines += _explain_task(aws, tasks[-1])
    return "\n".join(lines)


def _explain_task(aws: AwsConfig, task: Any) -> list[str]:
    task_id = task["taskArn"].rpartition("/")[2]
    lines = [f"  task {task_id} stopped: {task.get('stoppedReason', 'no reason given')}"]
    definition = client(aws, "ecs").describe_task_definition(
        taskDefinition=task["taskDefinitionArn"]
    )
    described = {
        item["name"]: item for item in definition["taskDefinition"]["containerDefinitions"]
    }
    for container in task["containers"]:
        code = container.get("exitCode")
        reason = container.get("reason")
        lines.append(
            f"  container {container['name']}: exit code {code}{f', {reason}' if reason else ''}"
        )
        options = described[container["name"]].get("logConfiguration", {}).get("options", {})
        if "awslogs-group" in options:
            stream = f"{options.get('awslogs-stream-prefix', 'ecs')}/{container['name']}/{task_id}"
            written = read_last_lines(aws, options["awslogs-group"], stream)
            lines += [f"    | {line}" for line in written] or ["    (it wrote nothing)"]
    return lines
