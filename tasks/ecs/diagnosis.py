"""Why a service is not stable: its events, its last stopped task, and what that task logged."""

from collections.abc import Iterator
from typing import Any, Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.cloudwatch.log_group import read_last_lines
from tasks.ecs.service import read_service
from tasks.ecs.task_definition import read_task_definition

__all__ = ["explain_service"]

_EVENTS: Final = 4
_TASKS_PER_CALL: Final = 100


def explain_service(aws: AwsConfig, cluster: str, name: str) -> str:
    """
    Explain why a service is not stable, in indented lines.

    Source: ECS DescribeServices, ListTasks, DescribeTasks; CloudWatch Logs GetLogEvents.
    """
    service = read_service(aws, cluster, name) or {}
    events = service.get("events", [])[:_EVENTS]
    lines = [f"  event: {event['message']}" for event in events]
    task = _read_last_stopped_task(aws, cluster, name)
    if task:
        lines += _explain_task(aws, task)
    return "\n".join(lines)


def _read_last_stopped_task(aws: AwsConfig, cluster: str, service: str) -> Any:
    """ECS's description of the task that stopped last; None when none has, or it was deleted."""
    ecs = client(aws, "ecs")
    try:
        found = ecs.list_tasks(
            cluster=cluster,
            serviceName=service,
            desiredStatus="STOPPED",
        )
    except ecs.exceptions.ServiceNotFoundException:
        return None
    if not found["taskArns"]:
        return None
    arns = found["taskArns"][:_TASKS_PER_CALL]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    return max(tasks, key=_stopped_at, default=None)


def _stopped_at(task: Any) -> str:
    """When a task stopped, for sorting."""
    return str(task.get("stoppedAt", ""))


def _explain_task(aws: AwsConfig, task: Any) -> Iterator[str]:
    """Why a task stopped, container by container, with their last log lines."""
    task_id = task["taskArn"].rpartition("/")[2]
    yield f"  task {task_id} stopped: {task.get('stoppedReason', 'no reason given')}"
    log_options = _read_log_options(aws, task["taskDefinitionArn"])
    for container in task["containers"]:
        yield _explain_exit(container)
        options = log_options.get(
            container["name"], {}
        )  # AWS may add a container, e.g. GuardDuty's
        if "awslogs-group" in options:
            yield from _read_log(aws, options, container["name"], task_id)


def _explain_exit(container: Any) -> str:
    """A container's exit code, and ECS's reason."""
    name = container["name"]
    code = container.get("exitCode")
    reason = container.get("reason")
    text = f"  container {name}: exit code {code}"
    return f"{text}, {reason}" if reason else text


def _read_log_options(aws: AwsConfig, task_definition: str) -> dict[str, dict[str, str]]:
    """The options of the log driver by container."""
    found = read_task_definition(aws, task_definition) or {}  # its revision may be deleted
    options = {}
    containers = found.get("containerDefinitions", [])
    for container in containers:
        name = container["name"]
        configuration = container.get("logConfiguration", {})
        options[name] = configuration.get("options", {})
    return options


def _read_log(
    aws: AwsConfig, options: dict[str, str], container: str, task_id: str
) -> Iterator[str]:
    """A container's last log lines, indented."""
    prefix = options.get("awslogs-stream-prefix", "ecs")
    stream = f"{prefix}/{container}/{task_id}"
    lines = read_last_lines(aws, options["awslogs-group"], stream)
    for line in lines:
        yield f"    | {line}"
    if not lines:
        yield "    (it wrote nothing)"
