"""The life of one task, from PROVISIONING to STOPPED, in a thread of its own."""

import socket
import sys
import threading
import time
import traceback
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.control.faults import Faults
from sandbox.ecs.environment import read_environment
from sandbox.ecs.failure import StartFailed
from sandbox.ecs.logs import LogShipper, Stream
from sandbox.ecs.names import now
from sandbox.ecs.store import Store
from sandbox.ecs.targets import Targets
from sandbox.ecs.task import RunningContainer, Task
from sandbox.engine.base import Container, ContainerSpec, Engine, ImageUnavailable

__all__ = ["Runner"]

_AT_ONCE: Final = 4
"""Tasks that pull and start at a time: the machine is small, and a start is what costs."""
_POLL: Final = 0.2
_CRASH_AFTER: Final = 0.4
_LISTENS_WITHIN: Final = 2.0
_LISTEN_POLL: Final = 0.05
_CLOSE: Final = 3.0
_DEFAULT_STOP_TIMEOUT: Final = 30
_DEFAULT_MEMORY: Final = 512


class Runner:
    """Runs tasks; everything that takes long happens outside the store's lock."""

    def __init__(self, endpoint_url: str, engine: Engine, faults: Faults, store: Store) -> None:
        self._endpoint_url, self._engine, self._faults, self._store = endpoint_url, engine, faults, store
        self._targets = Targets(endpoint_url)
        self._logs = LogShipper(endpoint_url)
        self._starting = threading.BoundedSemaphore(_AT_ONCE)
        self._closing = threading.Event()
        self._threads: set[threading.Thread] = set()

    def start(self) -> None:
        """Begin to deliver logs."""
        self._logs.start()

    def close(self) -> None:
        """Let go of every task; the engine ends the containers."""
        self._closing.set()
        with self._store.lock:
            threads = list(self._threads)
            for task in self._store.tasks.values():
                task.stopping.set()
        self._logs.close()
        until = time.monotonic() + _CLOSE
        for thread in threads:
            # A thread may wait for a container's stop timeout; the engine, which is closed next, cuts that short.
            thread.join(max(0.0, until - time.monotonic()))

    def launch(self, task: Task) -> None:
        """Run the task in a thread; call it with the store's lock held."""
        self._store.tasks[task.id] = task
        thread = threading.Thread(target=self._run, args=(task,), name=f"ecs-task-{task.id[:8]}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _run(self, task: Task) -> None:
        life = _Life(task)
        try:
            self._bring_up(life)
            self._watch(life)
        except StartFailed as failure:
            self._fail(task, str(failure))
        except Exception as error:  # noqa: BLE001 - whatever an engine raises; ECS shows it, and the trace is printed
            if not self._closing.is_set():
                traceback.print_exc(file=sys.stderr)
            self._fail(task, f"CannotStartContainerError: {error}")
        try:
            if not self._closing.is_set():
                self._wind_up(life)
        except BotoCoreError:
            if not self._closing.is_set():
                raise
        finally:
            with self._store.lock:
                self._threads.discard(threading.current_thread())
            self._store.wake()

    def _fail(self, task: Task, reason: str) -> None:
        with self._store.lock:
            task.request_stop(reason, "TaskFailedToStart", failed=True)

    def _bring_up(self, life: "_Life") -> None:
        task = life.task
        environments = [
            read_environment(self._endpoint_url, one.definition, _override(task, one.name)) for one in task.containers
        ]
        life.streams = [self._logs.open(one.definition, task.id) for one in task.containers]
        self._set_status(task, "PENDING")
        with self._starting:
            if not self._goes_on(task):
                return
            self._pull(task)
            for index, one in enumerate(task.containers):
                if self._goes_on(task):
                    self._start_container(life, index, one, environments[index])
        if not self._goes_on(task):
            return
        if task.load_balancers:
            self._set_status(task, "ACTIVATING")
            self._wait_until_it_listens(life)
            self._register(task)
        with self._store.lock:
            task.times |= {"startedAt": now(), "connectivityAt": now()}
        self._set_status(task, "RUNNING")

    def _pull(self, task: Task) -> None:
        with self._store.lock:
            task.times["pullStartedAt"] = now()
        for container in task.containers:
            try:
                container.digest = self._engine.pull(container.definition["image"])
            except ImageUnavailable as error:
                reason = str(error)
                known = reason.startswith("CannotPullContainerError")
                raise StartFailed(reason if known else f"CannotPullContainerError: {reason}") from error
        with self._store.lock:
            task.times["pullStoppedAt"] = now()

    def _start_container(self, life: "_Life", index: int, container: RunningContainer, env: dict[str, str]) -> None:
        task, stream = life.task, life.streams[index]
        spec = _spec(task, container, env, crashes=self._crashes(task))
        running = self._engine.start(spec, stream.write if stream else _ignore)
        life.running.append(running)
        with self._store.lock:
            container.status = "RUNNING"
            if task.address is None or container.name in {one.get("containerName") for one in task.load_balancers}:
                task.address = running.address

    def _wait_until_it_listens(self, life: "_Life") -> None:
        """
        Give the program a moment to open its ports.

        The target's first health check comes with its registration here; on AWS it comes later. Without this, nearly
        every task would fail it and be unused for one more interval.
        """
        until = time.monotonic() + _LISTENS_WITHIN
        for _, address, port in life.task.targets():
            while time.monotonic() < until and life.runs() and not _listens(address, port):
                if life.task.stopping.wait(_LISTEN_POLL):
                    return

    def _register(self, task: Task) -> None:
        for target in task.targets():
            try:
                self._targets.register(target)
            except ClientError as error:
                told = error.response["Error"]["Message"]
                self._say(task, f"failed to register targets in (target-group {target[0]}) with (error {told})")
            else:
                self._say(task, f"registered 1 targets in (target-group {target[0]})")

    def _watch(self, life: "_Life") -> None:
        """Wait until the task has to stop, or an essential container ends by itself."""
        task, crash_at = life.task, time.monotonic() + _CRASH_AFTER
        while not task.stopping.wait(_POLL):
            if self._crashes(task) and time.monotonic() >= crash_at:
                life.crash()
            if not life.runs():
                with self._store.lock:
                    task.request_stop("Essential container in task exited", "EssentialContainerExited", failed=True)

    def _wind_up(self, life: "_Life") -> None:
        """Take the task out of traffic first, so that no request meets a container that is on its way out."""
        task = life.task
        if "startedAt" in task.times:
            self._set_status(task, "DEACTIVATING")
        if task.status == "DEACTIVATING" and task.load_balancers:
            self._drain(task)
        if task.status == "DEACTIVATING" and not task.failed:
            self._say(task, f"has stopped 1 running tasks: (task {task.id}).")
        self._set_status(task, "STOPPING")
        for running in life.running:
            running.stop()
        with self._store.lock:
            task.times["executionStoppedAt"] = now()
        self._set_status(task, "DEPROVISIONING")
        for stream in filter(None, life.streams):
            self._logs.flush(stream)
        self._finish(life)

    def _drain(self, task: Task) -> None:
        self._say(task, "has begun draining connections on 1 tasks.")
        for target in task.targets():
            self._targets.deregister(target)
            self._say(task, f"deregistered 1 targets in (target-group {target[0]})")
        if task.stop_code == "EssentialContainerExited":
            return
        for target in task.targets():
            self._targets.wait_until_drained(target, self._closing)

    def _finish(self, life: "_Life") -> None:
        with self._store.lock:
            for index, container in enumerate(life.task.containers):
                container.status = "STOPPED"
                if index < len(life.running):
                    container.exit_code = life.exit_code(index)
                elif life.task.stop_code == "TaskFailedToStart":
                    container.reason = life.task.stopped_reason
            life.task.times["stoppedAt"] = now()
        self._set_status(life.task, "STOPPED")

    def _crashes(self, task: Task) -> bool:
        return task.service in self._faults.plan.crash and not task.was_healthy

    def _goes_on(self, task: Task) -> bool:
        return task.live and not self._closing.is_set()

    def _set_status(self, task: Task, status: str) -> None:
        with self._store.lock:
            task.status = status
        self._store.wake()

    def _say(self, task: Task, message: str) -> None:
        with self._store.lock:
            owner = self._store.owner_of(task)
            if owner:
                owner.say(message)


class _Life:
    """What belongs to a task while it runs, and to its thread alone."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.streams: list[Stream | None] = []
        self.running: list[Container] = []
        self._crashed = False

    def runs(self) -> bool:
        """Whether every essential container runs, and at least one container."""
        ended = [running.exit_code() is not None for running in self.running]
        essential = [end for end, one in zip(ended, self.task.containers, strict=True) if one.essential]
        return not (all(ended) or any(essential))

    def crash(self) -> None:
        """The fault `crash`: every container ends, as if by itself with exit code 1."""
        self._crashed = True
        for stream in filter(None, self.streams):
            stream.write(f"sandbox: ended with exit code 1 by the fault crash={self.task.service}")
        for running in self.running:
            running.stop()

    def exit_code(self, index: int) -> int | None:
        """The exit code that AWS shows for a container."""
        return 1 if self._crashed else self.running[index].exit_code()


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(_LISTEN_POLL)
        return probe.connect_ex((address, port)) == 0


def _ignore(line: str) -> None:
    """Drop a line: the container has no log driver."""


def _override(task: Task, container: str) -> dict[str, Any]:
    overrides = task.overrides.get("containerOverrides", [])
    return next((one for one in overrides if one.get("name") == container), {})


def _spec(task: Task, container: RunningContainer, environment: dict[str, str], *, crashes: bool) -> ContainerSpec:
    definition, override = container.definition, _override(task, container.name)
    family, _, revision = task.definition["taskDefinitionArn"].rpartition("/")[2].partition(":")
    memory = definition.get("memory") or definition.get("memoryReservation") or task.definition.get("memory")
    return ContainerSpec(
        name=f"ecs-{family}-{revision}-{container.name}-{task.id[:12]}",
        image=definition["image"],
        environment=environment,
        command=tuple(override.get("command") or definition.get("command") or ()),
        entry_point=tuple(definition.get("entryPoint") or ()),
        memory=int(memory or _DEFAULT_MEMORY),
        labels={
            "com.amazonaws.ecs.cluster": task.cluster,
            "com.amazonaws.ecs.container-name": container.name,
            "com.amazonaws.ecs.task-arn": task.arn,
            "com.amazonaws.ecs.task-definition-family": family,
            "com.amazonaws.ecs.task-definition-version": revision,
        },
        stop_timeout=1 if crashes else float(definition.get("stopTimeout") or _DEFAULT_STOP_TIMEOUT),
    )
