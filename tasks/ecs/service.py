"""ECS services: one for each microservice, on Fargate behind its target group."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.change import UNKNOWN, Change, Create, Update, refuse_conflict
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import Owner, tag_dict, tag_list
from tasks.aws.task import aws_task
from tasks.discovery import Discovered
from tasks.ecs.not_active import is_draining, named_where_not_active

__all__ = [
    "Service",
    "compare_service",
    "delete_service",
    "desired_service",
    "ensure_service",
    "read_service",
    "read_services",
]

_DEPLOYMENT: Final = {
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
}
_COMPARED: Final = (
    "taskDefinition",
    "desiredCount",
    "healthCheckGracePeriodSeconds",
    "networkConfiguration",
    "loadBalancers",
)


@dataclass(frozen=True)
class Service:
    """The desired service, as a CreateService request."""

    name: str
    request: dict[str, Any]
    owner: Owner

    @property
    def compared(self) -> dict[str, Any]:
        """The fields that are compared with ECS's description, and the tags."""
        fields = {name: self.request[name] for name in _COMPARED}
        return {**fields, "tags": self.owner.tags}


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
        target_group: ARN of the target group, `UNKNOWN` before it is created.
    """
    balancer = {
        "targetGroupArn": target_group,
        "containerName": service.container,
        "containerPort": service.port,
    }
    request = {
        "cluster": discovered.cluster_arn,
        "serviceName": service.name,
        "taskDefinition": task_definition,
        "loadBalancers": [balancer],
        "desiredCount": service.desired_count,
        "launchType": "FARGATE",
        "networkConfiguration": _desired_network(discovered),
        "deploymentConfiguration": _DEPLOYMENT,
        "deploymentController": {"type": "ECS"},
        "healthCheckGracePeriodSeconds": service.health_check_grace_period,
        "propagateTags": "SERVICE",
    }
    return Service(name=service.name, request=request, owner=owner)


def _desired_network(discovered: Discovered) -> dict[str, Any]:
    """The network of the tasks, as ECS takes it."""
    network = {
        "subnets": sorted(discovered.subnets),
        "securityGroups": sorted(discovered.security_groups),
        "assignPublicIp": discovered.assign_public_ip,
    }
    return {"awsvpcConfiguration": network}


def read_service(aws: AwsConfig, cluster: str, name: str) -> dict[str, Any] | None:
    """
    Describe the service, with its tags as a dict; None when it does not exist or was deleted.

    Source: ECS DescribeServices.
    """
    return read_services(aws, cluster, [name]).get(name)


def read_services(aws: AwsConfig, cluster: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """
    Describe at most ten services, by name, as `read_service`.

    ECS keeps a deleted service for a while as INACTIVE; it is left out.

    Source: ECS DescribeServices.
    """
    found: Any = client(aws, "ecs").describe_services(
        cluster=cluster, services=list(names), include=["TAGS"]
    )
    services = {}
    for service in found["services"]:
        if service["status"] != "INACTIVE":
            tags = tag_dict(service.get("tags", []))
            services[service["serviceName"]] = {**service, "tags": tags}
    return services


def compare_service(desired: Service, observed: dict[str, Any] | None) -> Change:
    """What has to happen to the service; one that was deleted and still drains is created again."""
    if observed is None or is_draining(observed):
        return Create()
    wanted = desired.compared
    current = _current(observed)
    if current["desiredCount"] > wanted["desiredCount"]:
        # Autoscaling or an operator has added tasks, and the split must not remove them.
        wanted["desiredCount"] = UNKNOWN
    return desired.owner.compare("ECS service", desired.name, wanted, current)


def _current(observed: dict[str, Any]) -> dict[str, Any]:
    """The observed values of the fields that are compared."""
    return {
        "taskDefinition": observed["taskDefinition"],
        "desiredCount": observed["desiredCount"],
        "healthCheckGracePeriodSeconds": observed.get("healthCheckGracePeriodSeconds", 0),
        "networkConfiguration": _current_network(observed),
        # Only an adopted service, or one changed by hand, can be behind another target group.
        "loadBalancers": list(map(_current_balancer, observed.get("loadBalancers", []))),
        "tags": observed["tags"],
    }


def _current_network(observed: dict[str, Any]) -> dict[str, Any]:
    """The network of the tasks, in the form of the desired one."""
    configured = observed.get("networkConfiguration") or {}
    network = configured.get("awsvpcConfiguration") or {}
    subnets = network.get("subnets", [])
    groups = network.get("securityGroups", [])
    sorted_network = {
        "subnets": sorted(subnets),
        "securityGroups": sorted(groups),
        "assignPublicIp": network.get("assignPublicIp", "DISABLED"),
    }
    return {"awsvpcConfiguration": sorted_network}


def _current_balancer(balancer: Any) -> dict[str, Any]:
    """A load balancer without the fields that ECS adds."""
    names = ("targetGroupArn", "containerName", "containerPort")
    return {name: balancer.get(name) for name in names}


@aws_task("ensure ECS service {desired.name}")
def ensure_service(aws: AwsConfig, desired: Service) -> str:
    """
    Create the service, or update the existing one by a rolling deployment.

    Returns:
        The service ARN.

    Raises:
        ServiceUnhealthy: It was deleted, and still drains.

    Source: ECS CreateService, UpdateService, TagResource.
    """
    observed = read_service(aws, desired.request["cluster"], desired.name)
    change = compare_service(desired, observed)
    refuse_conflict(change)
    with named_where_not_active(desired.name):
        if observed is None or isinstance(change, Create):
            return _create(aws, desired)
        if isinstance(change, Update):
            _update(aws, desired, change.fields)
            if "tags" in change.fields:
                _tag(aws, desired, observed)
    return str(observed["serviceArn"])


def _create(aws: AwsConfig, desired: Service) -> str:
    """Create the service, and return its ARN."""
    made = client(aws, "ecs").create_service(
        **desired.request,
        tags=tag_list(desired.owner.tags, lower=True),
    )
    return made["service"]["serviceArn"]


def _update(aws: AwsConfig, desired: Service, changed: Iterable[str]) -> None:
    """Update the fields that differ, except for the tags."""
    request = desired.request
    changes = {name: request[name] for name in changed if name != "tags"}
    if changes:
        client(aws, "ecs").update_service(
            cluster=request["cluster"],
            service=desired.name,
            **changes,
        )


def _tag(aws: AwsConfig, desired: Service, observed: dict[str, Any]) -> None:
    """Put the owner's tags on an existing service."""
    client(aws, "ecs").tag_resource(
        resourceArn=observed["serviceArn"],
        tags=tag_list(desired.owner.tags_over(observed["tags"]), lower=True),
    )


@aws_task("delete ECS service {name}")
def delete_service(aws: AwsConfig, cluster: str, name: str, owner: Owner) -> None:
    """
    Delete the service with its tasks if this split made it; it drains for a while.

    Source: ECS DeleteService.
    """
    ecs = client(aws, "ecs")
    observed = read_service(aws, cluster, name)
    if observed is None or is_draining(observed):
        return
    if not owner.made(observed["tags"]):
        return
    try:
        ecs.delete_service(cluster=cluster, service=name, force=True)
    except (ecs.exceptions.ServiceNotFoundException, ecs.exceptions.ServiceNotActiveException):
        log().info("ECS service %s was already deleted", name)
