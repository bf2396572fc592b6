"""ECS task definitions: Fargate, one container, its image pinned by digest."""

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
    """A RegisterTaskDefinition request."""

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
        task_role_arn: The service's own role, `UNKNOWN` before it is made.
    """
    container = {
        "name": service.container,
        "image": image,
        "essential": True,
        "portMappings": [{"containerPort": service.port, "protocol": "tcp"}],
        "environment": [
            {"name": name, "value": value} for name, value in sorted(service.environment.items())
        ],
        "secrets": [
            {"name": name, "valueFrom": arn} for name, arn in sorted(service.secrets.items())
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": service.log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": "ecs",
            },
        },
    }
    request = {
        "family": service.family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": str(service.cpu),
        "memory": str(service.memory),
        "runtimePlatform": {
            "cpuArchitecture": service.cpu_architecture,
            "operatingSystemFamily": "LINUX",
        },
        "executionRoleArn": execution_role_arn,
        "taskRoleArn": task_role_arn,
        "containerDefinitions": [container],
    }
    return TaskDefinition(family=service.family, request=request, owner=owner)


def read_task_definition(aws: AwsConfig, name: str) -> dict[str, Any] | None:
    """
    Describe a task definition, with its tags as `tags`.

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
    return {**found["taskDefinition"], "tags": tag_dict(found.get("tags", []))}


def compare_task_definition(desired: TaskDefinition, observed: dict[str, Any] | None) -> Change:
    """What has to happen: revisions cannot be changed, so an update registers the next one."""
    if observed is None or observed["status"] != "ACTIVE":
        return Create()
    conflict = desired.owner.conflict("task definition", desired.family, observed["tags"])
    if conflict:
        return conflict
    # A revision that is adopted stays its maker's: the next one is the first with our tags.
    held_tags = compare_fields({"tags": desired.owner.tags}, observed)
    fields = dict(held_tags.fields) if isinstance(held_tags, Update) else {}
    for name, value in desired.request.items():
        if name != "containerDefinitions" and value not in (UNKNOWN, observed.get(name)):
            fields[name] = (observed.get(name), value)
    wanted, held = desired.request["containerDefinitions"][0], observed["containerDefinitions"][0]
    for name, value in wanted.items():
        before = _normal(name, held)
        if value != before:
            fields[f"containerDefinitions[0].{name}"] = (before, value)
    return Update(fields) if fields else NoChange()


def _normal(name: str, container: dict[str, Any]) -> Any:
    """A container field without the defaults and the order that AWS adds."""
    value = container.get(name)
    if name in ("environment", "secrets"):
        return sorted(value or [], key=lambda item: str(item["name"]))
    if name == "portMappings":
        return [
            {key: mapping.get(key) for key in ("containerPort", "protocol")}
            for mapping in value or []
        ]
    if name == "logConfiguration" and value:
        return {key: value[key] for key in ("logDriver", "options")}
    return value


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
