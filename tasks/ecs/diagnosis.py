"""Why a service is not stable: its events, its last stopped task, and what that task logged."""

from collections.abc import Iterator
from typing import Any, Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.cloudwatch.log_group import read_last_lines
from tasks.ecs.service import read_service

__all__ = ["explain_service"]

_EVENTS: Final = 4
_TASKS_PER_CALL: Final = 100


def explain_service(aws: AwsConfig, cluster: str, name: str) -> str:
    """
    Explain why a service is not stable, in indented lines.

    Source: ECS DescribeServices, ListTasks, DescribeTasks; CloudWatch Logs GetLogEvents.
    """
    service = read_service(aws, cluster, name) or {}
    lines = [f"  event: {event['message']}" for event in service.get("events", [])[:_EVENTS]]
    task = _read_last_stopped_task(aws, cluster, name)
    if task:
        lines += _explain_task(aws, task)
    return "\n".join(lines)


def _read_last_stopped_task(aws: AwsConfig, cluster: str, service: str) -> Any:
    ecs = client(aws, "ecs")
    arns = ecs.list_tasks(cluster=cluster, serviceName=service, desiredStatus="STOPPED")["taskArns"]
    if not arns:
        return None
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns[:_TASKS_PER_CALL])["tasks"]
    return max(tasks, key=lambda task: str(task.get("stoppedAt", "")), default=None)


def _explain_task(aws: AwsConfig, task: Any) -> Iterator[str]:
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
    reason = container.get("reason")
    detail = f", {reason}" if reason else ""
    return f"  container {container['name']}: exit code {container.get('exitCode')}{detail}"


def _read_log_options(aws: AwsConfig, task_definition: str) -> dict[str, dict[str, str]]:
    """The options of the log driver by container."""
    found: Any = client(aws, "ecs").describe_task_definition(taskDefinition=task_definition)
    return {
        container["name"]: container.get("logConfiguration", {}).get("options", {})
        for container in found["taskDefinition"]["containerDefinitions"]
    }


def _read_log(
    aws: AwsConfig, options: dict[str, str], container: str, task_id: str
) -> Iterator[str]:
    stream = f"{options.get('awslogs-stream-prefix', 'ecs')}/{container}/{task_id}"
    lines = read_last_lines(aws, options["awslogs-group"], stream)
    for line in lines:
        yield f"    | {line}"
    if not lines:
        yield "    (it wrote nothing)"
