"""ECS services and tasks: which action is answered where, and what runs behind it."""

from collections.abc import Callable
from typing import Any

from sandbox.api.call import Call
from sandbox.api.faults import Faults
from sandbox.api.internal import internal_client
from sandbox.ecs.calls.deployments import DeploymentCalls
from sandbox.ecs.calls.services import ServiceCalls
from sandbox.ecs.calls.tags import TagCalls
from sandbox.ecs.calls.tasks import TaskCalls
from sandbox.ecs.calls.validate import Validator
from sandbox.ecs.controller import Controller
from sandbox.ecs.model.names import last_part
from sandbox.ecs.model.store import Store
from sandbox.ecs.tasks.runner import Runner
from sandbox.engine.base import Engine

__all__ = ["Ecs"]

Answer = dict[str, Any] | None


class Ecs:
    """
    ECS services and tasks; moto keeps clusters and task definitions.

    Args:
        endpoint_url: The served AWS API, through which everything outside ECS is read and changed.
        engine: Pulls images and runs containers.
        faults: `crash` is applied here.
    """

    def __init__(self, endpoint_url: str, engine: Engine, faults: Faults) -> None:
        self._endpoint_url = endpoint_url
        self._store = Store()
        self._runner = Runner(endpoint_url, engine, faults, self._store)
        self._controller = Controller(endpoint_url, self._store, self._runner)
        validator = Validator(endpoint_url, self._store)
        self._services = ServiceCalls(self._store, validator)
        tasks = TaskCalls(self._store, validator, self._runner)
        deployments = DeploymentCalls(self._store, validator)
        tags = TagCalls(self._store)
        self._actions: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "CreateService": self._services.create,
            "UpdateService": self._services.update,
            "DeleteService": self._services.delete,
            "DescribeServices": self._services.describe,
            "ListServices": self._services.list,
            "ListTasks": tasks.list,
            "DescribeTasks": tasks.describe,
            "StopTask": tasks.stop,
            "RunTask": tasks.run,
            "ListServiceDeployments": deployments.list,
            "DescribeServiceDeployments": deployments.describe,
            "TagResource": tags.tag,
            "UntagResource": tags.untag,
            "ListTagsForResource": tags.list,
        }

    def start(self) -> None:
        """Begin to run tasks."""
        self._runner.start()
        self._controller.start()

    def close(self) -> None:
        """Stop following tasks; closing the engine ends their containers."""
        self._controller.close()
        self._runner.close()

    def handle(self, call: Call) -> Answer:
        """Answer calls about services, tasks and deployments; leave others to moto."""
        if call.action == "DeleteCluster":
            self._services.refuse_cluster_in_use(call.parameters)
            return None
        if call.action == "DescribeClusters" and not call.internal:
            return self._describe_clusters(call.parameters)
        action = self._actions.get(call.action)
        return action(call.parameters) if action else None

    def after(self, call: Call) -> None:
        """Wake the controller when ECS has changed."""
        if call.service == "ecs":
            self._store.wake()

    def _describe_clusters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Moto's answer, with the counts that moto does not have."""
        answer = internal_client(self._endpoint_url, "ecs").describe_clusters(**parameters)
        with self._store.lock:
            for cluster in answer["clusters"]:
                cluster.update(self._store.counts(last_part(cluster["clusterArn"])))
        return {"clusters": answer["clusters"], "failures": answer["failures"]}
