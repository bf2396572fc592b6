"""ECS task definitions: Fargate, one container, its image pinned by digest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.change import (
    UNKNOWN,
    Change,
    Create,
    NoChange,
    Update,
    compare_fields,
    refuse_conflict,
)
from tasks.aws.clients import client
from tasks.aws.tags import Owner, tag_dict, tag_list
from tasks.aws.task import aws_task

__all__ = [
    "TaskDefinition",
    "compare_task_definition",
    "desired_task_definition",
    "ensure_task_definition",
    "read_task_definition",
]


@dataclass(frozen=True)
class TaskDefinition:
    """The desired task definition, as a RegisterTaskDefinition request."""

    family: str
    request: dict[str, Any]
    owner: Owner


def desired_task_definition(
    service: ServiceConfig,
    owner: Owner,
    *,
    region: str,
    image: str,
    execution_role_arn: str,
    task_role_arn: str,
) -> TaskDefinition:
    """
    The task definition of one service.

    Args:
        service: The service.
        owner: Whose it is.
        region: AWS region of the log group.
        image: Image reference with digest, `UNKNOWN` before it is pushed.
        execution_role_arn: Role with which ECS pulls the image and writes the log.
        task_role_arn: The service's own role, `UNKNOWN` before it is created.
    """
    platform = {"cpuArchitecture": service.cpu_architecture, "operatingSystemFamily": "LINUX"}
    request = {
        "family": service.family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": str(service.cpu),
        "memory": str(service.memory),
        "runtimePlatform": platform,
        "executionRoleArn": execution_role_arn,
        "taskRoleArn": task_role_arn,
        "containerDefinitions": [_desired_container(service, region, image)],
    }
    return TaskDefinition(family=service.family, request=request, owner=owner)


def _desired_container(service: ServiceConfig, region: str, image: str) -> dict[str, Any]:
    """The service's only container."""
    return {
        "name": service.container,
        "image": image,
        "essential": True,
        "portMappings": [{"containerPort": service.port, "protocol": "tcp"}],
        "environment": _named_list(service.environment, "value"),
        "secrets": _named_list(service.secrets, "valueFrom"),
        "logConfiguration": _log_configuration(service.log_group, region),
    }


def _named_list(values: Mapping[str, str], key: str) -> list[dict[str, str]]:
    """Environment variables as ECS takes them, sorted."""
    return [{"name": name, key: values[name]} for name in sorted(values)]


def _log_configuration(log_group: str, region: str) -> dict[str, Any]:
    """The awslogs driver with its options."""
    options = {
        "awslogs-group": log_group,
        "awslogs-region": region,
        "awslogs-stream-prefix": "ecs",
    }
    return {"logDriver": "awslogs", "options": options}


def read_task_definition(aws: AwsConfig, name: str) -> dict[str, Any] | None:
    """
    Describe a task definition, with its tags as `tags`; None when it does not exist.

    Args:
        aws: Where AWS is.
        name: Family (its newest active revision), `family:revision`, or ARN.

    Source: ECS DescribeTaskDefinition.
    """
    ecs = client(aws, "ecs")
    try:
        found = ecs.describe_task_definition(taskDefinition=name, include=["TAGS"])
    except ecs.exceptions.ClientException:
        return None
    tags = tag_dict(found.get("tags", []))
    return {**found["taskDefinition"], "tags": tags}


def compare_task_definition(desired: TaskDefinition, observed: dict[str, Any] | None) -> Change:
    """What has to happen: revisions cannot be changed, so an update registers the next one."""
    if observed is None or observed["status"] != "ACTIVE":
        return Create()
    tags = observed["tags"]
    conflict = desired.owner.conflict("task definition", desired.family, tags)
    if conflict:
        return conflict
    fields = {}
    for name, before, after in _differences(desired, observed):
        fields[name] = (before, after)
    return Update(fields) if fields else NoChange()


def _differences(
    desired: TaskDefinition, observed: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Each differing field with its value before and after."""
    # An adopted revision keeps its tags: the next one is the first with this split's.
    tags = compare_fields({"tags": desired.owner.tags}, observed)
    if isinstance(tags, Update):
        yield "tags", *tags.fields["tags"]
    for name, value in desired.request.items():
        before = observed.get(name)
        if name != "containerDefinitions" and value not in (UNKNOWN, before):
            yield name, before, value
    yield from _container_differences(
        desired.request["containerDefinitions"][0],
        observed["containerDefinitions"][0],
    )


def _container_differences(
    desired: dict[str, Any], observed: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Each differing field of the container with its value before and after."""
    for name, value in desired.items():
        before = _comparable(name, observed.get(name))
        if value != before:
            yield f"containerDefinitions[0].{name}", before, value


def _comparable(name: str, value: Any) -> Any:
    """A container's field without the defaults and the order that AWS adds."""
    if name in ("environment", "secrets"):
        return sorted(value or [], key=lambda item: str(item["name"]))
    if name == "portMappings":
        return [_only(mapping, "containerPort", "protocol") for mapping in value or []]
    if name == "logConfiguration" and value:
        return _only(value, "logDriver", "options")
    return value


def _only(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Some fields of a mapping."""
    return {name: value.get(name) for name in names}


@aws_task("register task definition {desired.family}")
def ensure_task_definition(aws: AwsConfig, desired: TaskDefinition) -> str:
    """
    Register a revision, unless the newest one is the same.

    Returns:
        The ARN of the revision.

    Source: ECS RegisterTaskDefinition.
    """
    observed = read_task_definition(aws, desired.family)
    change = compare_task_definition(desired, observed)
    refuse_conflict(change)
    if observed is not None and isinstance(change, NoChange):
        return str(observed["taskDefinitionArn"])
    tags = tag_list(desired.owner.tags, lower=True)
    made = client(aws, "ecs").register_task_definition(**desired.request, tags=tags)
    return made["taskDefinition"]["taskDefinitionArn"]
