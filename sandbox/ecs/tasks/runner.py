"""The life of a task, from PROVISIONING to STOPPED, in its own thread."""

import sys
import threading
import time
import traceback
from typing import Final

from botocore.exceptions import ClientError

from sandbox.api.faults import Faults
from sandbox.ecs.model.names import now
from sandbox.ecs.model.store import Store
from sandbox.ecs.model.task import RunningContainer, Task
from sandbox.ecs.tasks.environment import read_environment
from sandbox.ecs.tasks.failure import StartFailed
from sandbox.ecs.tasks.life import Life, container_spec, override_of
from sandbox.ecs.tasks.logs import LogShipper
from sandbox.ecs.tasks.targets import Targets
from sandbox.engine.base import Engine, ImageUnavailable

__all__ = ["Runner"]

_AT_ONCE: Final = 4
"""Tasks that pull and start at a time: on a small machine, starts are what costs."""
_POLL: Final = 0.2
_CLOSE: Final = 3.0


class Runner:
    """Runs tasks; nothing that takes long happens under the store's lock."""

    def __init__(self, endpoint_url: str, engine: Engine, faults: Faults, store: Store) -> None:
        self._endpoint_url, self._engine = endpoint_url, engine
        self._faults, self._store = faults, store
        self._targets = Targets(endpoint_url)
        self._logs = LogShipper(endpoint_url)
        self._starting = threading.BoundedSemaphore(_AT_ONCE)
        self._closing = threading.Event()
        self._threads: set[threading.Thread] = set()

    def start(self) -> None:
        """Begin to deliver logs."""
        self._logs.start()

    def close(self) -> None:
        """Stop following tasks; the engine ends the containers."""
        self._closing.set()
        with self._store.lock:
            threads = list(self._threads)
            for task in self._store.tasks.values():
                task.stopping.set()
        self._logs.close()
        until = time.monotonic() + _CLOSE
        for thread in threads:
            # A thread may be waiting for a container's stop timeout; the engine, which is closed
            # next, ends that wait.
            thread.join(max(0.0, until - time.monotonic()))

    def launch(self, task: Task) -> None:
        """Run the task in a thread; call it under the store's lock."""
        self._store.tasks[task.id] = task
        thread = threading.Thread(
            target=self._run, args=(task,), name=f"ecs-task-{task.id[:8]}", daemon=True
        )
        self._threads.add(thread)
        thread.start()

    def _run(self, task: Task) -> None:
        life = Life(task, crashes=task.service in self._faults.plan.crash)
        try:
            self._bring_up(life)
            self._watch(life)
        except StartFailed as failure:
            self._fail(task, str(failure))
        except Exception as error:  # noqa: BLE001 - anything an engine raises; ECS shows it, and it is printed
            if not self._closing.is_set():
                traceback.print_exc(file=sys.stderr)
            self._fail(task, f"CannotStartContainerError: {error}")
        try:
            if not self._closing.is_set():
                self._wind_up(life)
        except Exception:  # noqa: BLE001 - the task has ended anyway, and has to be shown as STOPPED
            if not self._closing.is_set():
                traceback.print_exc(file=sys.stderr)
        finally:
            self._finish(life)

    def _fail(self, task: Task, reason: str) -> None:
        with self._store.lock:
            task.request_stop(reason, "TaskFailedToStart", failed=True)

    def _bring_up(self, life: Life) -> None:
        task = life.task
        environments = [self._environment(task, one) for one in task.containers]
        life.streams = [self._logs.open(one.definition, task.id) for one in task.containers]
        self._set_status(task, "PENDING")
        with self._starting:
            self._start_containers(life, environments)
        if not self._goes_on(task):
            return
        if task.load_balancers and not life.crashes:
            self._set_status(task, "ACTIVATING")
            life.wait_until_it_listens()
            self._register(life)
        with self._store.lock:
            task.times |= {"startedAt": now(), "connectivityAt": now()}
        self._set_status(task, "RUNNING")

    def _environment(self, task: Task, container: RunningContainer) -> dict[str, str]:
        override = override_of(task, container.name)
        return read_environment(self._endpoint_url, container.definition, override)

    def _start_containers(self, life: Life, environments: list[dict[str, str]]) -> None:
        task = life.task
        if self._goes_on(task):
            self._pull(task)
        for index, container in enumerate(task.containers):
            if self._goes_on(task):
                self._start_container(life, index, container, environments[index])

    def _pull(self, task: Task) -> None:
        with self._store.lock:
            task.times["pullStartedAt"] = now()
        for container in task.containers:
            try:
                container.digest = self._engine.pull(container.definition["image"])
            except ImageUnavailable as error:
                raise StartFailed(str(error)) from error
        with self._store.lock:
            task.times["pullStoppedAt"] = now()

    def _start_container(
        self, life: Life, index: int, container: RunningContainer, env: dict[str, str]
    ) -> None:
        task, stream = life.task, life.streams[index]
        on_line = stream.write if stream else _ignore
        running = self._engine.start(container_spec(task, container, env), on_line)
        life.running.append(running)
        with self._store.lock:
            container.status = "RUNNING"
            balanced = [one.get("containerName") for one in task.load_balancers]
            if task.address is None or container.name in balanced:
                task.address = running.address

    def _register(self, life: Life) -> None:
        task = life.task
        for target in task.targets():
            try:
                self._targets.register(target)
            except ClientError as error:
                reason = error.response["Error"]["Message"]
                event = f"failed to register targets in (target-group {target[0]})"
                self._add_event(task, f"{event} with (error {reason})")
            else:
                life.registered.append(target)
                self._add_event(task, f"registered 1 targets in (target-group {target[0]})")

    def _watch(self, life: Life) -> None:
        """Wait until the task has to stop, or an essential container ends by itself."""
        task = life.task
        while not task.stopping.wait(_POLL):
            if life.crashes:
                life.crash()
            if not life.runs():
                with self._store.lock:
                    task.request_stop(
                        "Essential container in task exited",
                        "EssentialContainerExited",
                        failed=True,
                    )

    def _wind_up(self, life: Life) -> None:
        """Stop the containers, after the targets have drained so that no request fails."""
        task = life.task
        if "startedAt" in task.times:
            self._set_status(task, "DEACTIVATING")
        if life.registered:
            self._drain(life)
        if task.status == "DEACTIVATING" and not task.failed:
            self._add_event(task, f"has stopped 1 running tasks: (task {task.id}).")
        self._set_status(task, "STOPPING")
        for running in life.running:
            running.stop()
        with self._store.lock:
            task.times["executionStoppedAt"] = now()
        self._set_status(task, "DEPROVISIONING")
        for stream in filter(None, life.streams):
            self._logs.flush(stream)

    def _drain(self, life: Life) -> None:
        task = life.task
        self._add_event(task, "has begun draining connections on 1 tasks.")
        for target in life.registered:
            self._targets.deregister(target)
            self._add_event(task, f"deregistered 1 targets in (target-group {target[0]})")
        if not life.runs():
            return  # no container is left to finish a request
        for target in life.registered:
            self._targets.wait_until_drained(target, self._closing)

    def _finish(self, life: Life) -> None:
        if self._closing.is_set():
            return
        with self._store.lock:
            for index, container in enumerate(life.task.containers):
                container.status = "STOPPED"
                if index < len(life.running):
                    container.exit_code = life.exit_code(index)
                elif life.task.stop_code == "TaskFailedToStart":
                    container.reason = life.task.stopped_reason
            life.task.times["stoppedAt"] = now()
            self._threads.discard(threading.current_thread())
        self._set_status(life.task, "STOPPED")

    def _goes_on(self, task: Task) -> bool:
        return task.live and not self._closing.is_set()

    def _set_status(self, task: Task, status: str) -> None:
        with self._store.lock:
            task.status = status
        self._store.wake()

    def _add_event(self, task: Task, message: str) -> None:
        with self._store.lock:
            owner = self._store.owner_of(task)
            if owner:
                owner.add_event(message)


def _ignore(line: str) -> None:
    """Drop a line: the container has no log driver."""
