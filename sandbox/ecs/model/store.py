"""All services and tasks, and the lock that guards them."""

import threading
from datetime import timedelta
from typing import Final

from sandbox.ecs.model.names import last_part, now
from sandbox.ecs.model.service import Service
from sandbox.ecs.model.task import Task

__all__ = ["Store"]

_KEPT: Final = timedelta(hours=1)
"""AWS shows a stopped task for about an hour."""
_MOST_STOPPED: Final = 1000


class Store:
    """Take `lock` to read or write; make no mutating AWS call while you have it."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.services: dict[tuple[str, str], Service] = {}
        self.tasks: dict[str, Task] = {}
        self._woken = False

    def wake(self) -> None:
        """Wake the controller."""
        with self.lock:
            self._woken = True
            self.lock.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait for `wake`, at most so many seconds."""
        with self.lock:
            self.lock.wait_for(lambda: self._woken, seconds)
            self._woken = False

    def service(self, cluster: str, name_or_arn: str) -> Service | None:
        """The service of that name, whatever its status."""
        return self.services.get((cluster, last_part(name_or_arn)))

    def task(self, cluster: str, id_or_arn: str) -> Task | None:
        """The task of that id."""
        task = self.tasks.get(last_part(id_or_arn))
        return task if task and task.cluster == cluster else None

    def tasks_of(self, service: Service) -> list[Task]:
        """The service's tasks, oldest first."""
        return [
            task
            for task in self.tasks.values()
            if (task.cluster, task.service) == (service.cluster, service.name)
        ]

    def owner_of(self, task: Task) -> Service | None:
        """The service a task belongs to."""
        return self.services.get((task.cluster, task.service)) if task.service else None

    def has_services(self, cluster: str) -> bool:
        """Whether the cluster has a service, and therefore exists."""
        return any(one.status != "INACTIVE" for one in self.services_in(cluster))

    def services_in(self, cluster: str) -> list[Service]:
        """The cluster's services, whatever their status."""
        return [one for one in self.services.values() if one.cluster == cluster]

    def tasks_in(self, cluster: str) -> list[Task]:
        """The cluster's tasks, oldest first."""
        return [task for task in self.tasks.values() if task.cluster == cluster]

    def counts(self, cluster: str) -> dict[str, int]:
        """A cluster's counts, as in DescribeClusters."""
        tasks, services = self.tasks_in(cluster), self.services_in(cluster)
        return {
            "activeServicesCount": sum(one.status == "ACTIVE" for one in services),
            "runningTasksCount": sum(task.status == "RUNNING" for task in tasks),
            "pendingTasksCount": sum(task.pending for task in tasks),
        }

    def tagged(self, resource_arn: str) -> Service | Task | None:
        """The service or task of that ARN."""
        for service in self.services.values():
            if service.arn == resource_arn:
                return service
        task = self.tasks.get(last_part(resource_arn))
        return task if task and task.arn == resource_arn else None

    def forget_old_tasks(self) -> None:
        """Drop tasks that stopped more than an hour ago, and the oldest of very many."""
        stopped = [task for task in self.tasks.values() if task.status == "STOPPED"]
        horizon = now() - _KEPT
        for index, task in enumerate(stopped):
            if task.times["stoppedAt"] < horizon or index < len(stopped) - _MOST_STOPPED:
                del self.tasks[task.id]
