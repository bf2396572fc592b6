"""The API actions on ECS tasks."""

import builtins
from typing import Any

from sandbox.api.errors import AwsError
from sandbox.ecs.calls.validate import Validator, invalid
from sandbox.ecs.model.names import arn, cluster_name, last_part, page
from sandbox.ecs.model.store import Store
from sandbox.ecs.model.task import Task
from sandbox.ecs.tasks.runner import Runner

__all__ = ["TaskCalls"]

_MOST_AT_ONCE = 10


class TaskCalls:
    """Each method takes a request and returns its answer, both as in the API."""

    def __init__(self, store: Store, validator: Validator, runner: Runner) -> None:
        self._store, self._validate, self._runner = store, validator, runner

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS ListTasks; without `desiredStatus`, running tasks."""
        cluster = cluster_name(request)
        self._validate.cluster(cluster)
        name = request.get("serviceName")
        with self._store.lock:
            if name and self._store.service(cluster, name) is None:
                raise AwsError("ServiceNotFoundException", "Service not found.")
            tasks = self._store.tasks_in(cluster)
            arns = [task.arn for task in tasks if _matches(task, request)]
        return page("taskArns", arns, request, 100)

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS DescribeTasks."""
        cluster, ids = cluster_name(request), request.get("tasks", [])
        if not ids:
            raise invalid("Tasks cannot be empty.")
        if len(ids) > 100:
            raise invalid("Tasks can have at most 100 items.")
        self._validate.cluster(cluster)
        tags = "TAGS" in request.get("include", [])
        found, failures = [], []
        with self._store.lock:
            for one in ids:
                task = self._store.task(cluster, one)
                if task:
                    found.append(task.to_json(tags=tags))
                else:
                    missing = arn("task", cluster, last_part(one))
                    failures.append({"arn": missing, "reason": "MISSING"})
        return {"tasks": found, "failures": failures}

    def stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS StopTask."""
        cluster = cluster_name(request)
        self._validate.cluster(cluster)
        with self._store.lock:
            task = self._store.task(cluster, request["task"])
            if task is None:
                raise invalid("The referenced task was not found.")
            task.request_stop(request.get("reason") or "Task stopped by user", "UserInitiated")
            return {"task": task.to_json(tags=True)}

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Source: ECS RunTask."""
        cluster, count = cluster_name(request), request.get("count", 1)
        self._validate.cluster(cluster)
        if not 1 <= count <= _MOST_AT_ONCE:
            raise invalid(f"Tasks count should be between 1 and {_MOST_AT_ONCE}.")
        tasks = self._make_tasks(cluster, request, count)
        with self._store.lock:
            answer = {"tasks": [task.to_json(tags=True) for task in tasks], "failures": []}
            for task in tasks:
                self._runner.launch(task)
        return answer

    def _make_tasks(self, cluster: str, request: dict[str, Any], count: int) -> builtins.list[Task]:
        launch_type = request.get("launchType", "FARGATE")
        definition = self._validate.task_definition(request.get("taskDefinition"), launch_type)
        network = self._validate.network(definition, request.get("networkConfiguration"))
        overrides = request.get("overrides") or {}
        _check_overrides(definition, overrides)
        tags = list(request.get("tags", []))
        if request.get("propagateTags") == "TASK_DEFINITION":
            tags += definition.get("tags", [])
        return [
            Task(
                cluster=cluster,
                definition=definition,
                network=network,
                group=request.get("group") or f"family:{definition['family']}",
                started_by=request.get("startedBy"),
                launch_type=launch_type,
                tags=tags,
                overrides=overrides,
                turn=turn,
            )
            for turn in range(count)
        ]


def _matches(task: Task, request: dict[str, Any]) -> bool:
    """Whether a task passes the filters of ListTasks."""
    name = request.get("serviceName")
    return (
        task.desired_status == request.get("desiredStatus", "RUNNING")
        and (not name or task.service == last_part(name))
        and request.get("family") in (None, task.definition["family"])
        and request.get("launchType") in (None, task.launch_type)
        and request.get("startedBy") in (None, task.started_by)
        and not request.get("containerInstance")
    )


def _check_overrides(definition: dict[str, Any], overrides: dict[str, Any]) -> None:
    known = {one["name"] for one in definition["containerDefinitions"]}
    for one in overrides.get("containerOverrides", []):
        if one.get("name") not in known:
            raise invalid(
                f"Override for container named {one.get('name')} is not a container in the "
                "TaskDefinition."
            )
