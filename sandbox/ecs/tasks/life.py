"""A task's containers while they run."""

import socket
import time
from typing import Any, Final

from sandbox.ecs.model.names import last_part
from sandbox.ecs.model.task import RunningContainer, Task
from sandbox.ecs.tasks.logs import Stream
from sandbox.ecs.tasks.targets import Target
from sandbox.engine.base import Container, ContainerSpec

__all__ = ["Life", "container_spec", "override_of"]

_LISTENS_WITHIN: Final = 2.0
_LISTEN_POLL: Final = 0.05
_STOP_TIMEOUT: Final = 30.0
_MEMORY: Final = 512


class Life:
    """
    A running task's containers, streams and targets. Only the task's own thread uses it.

    Args:
        task: The task.
        crashes: Whether the fault `crash` applies to it.
    """

    def __init__(self, task: Task, *, crashes: bool) -> None:
        self.task, self.crashes = task, crashes
        self.streams: list[Stream | None] = []
        self.running: list[Container] = []
        self.registered: list[Target] = []

    def runs(self) -> bool:
        """Whether every essential container runs, and at least one container."""
        ended = [running.exit_code() is not None for running in self.running]
        essential = [
            end for end, one in zip(ended, self.task.containers, strict=False) if one.essential
        ]
        return not (all(ended) or any(essential))

    def wait_until_it_listens(self) -> None:
        """
        Wait a moment for the program to open its ports.

        Here the first health check is made when the target is registered; on AWS it comes later.
        Without this wait, nearly every task would fail it and get no traffic for another interval.
        """
        until = time.monotonic() + _LISTENS_WITHIN
        for _, address, port in self.task.targets():
            while time.monotonic() < until and self.runs() and not _listens(address, port):
                if self.task.stopping.wait(_LISTEN_POLL):
                    return

    def crash(self) -> None:
        """The fault `crash`: end every container, as if it had exited with code 1."""
        for stream in filter(None, self.streams):
            stream.write(f"sandbox: ended with exit code 1 by the fault crash={self.task.service}")
        for running in self.running:
            running.stop()

    def exit_code(self, index: int) -> int | None:
        """The exit code that AWS shows for a container."""
        return 1 if self.crashes else self.running[index].exit_code()


def override_of(task: Task, container: str) -> dict[str, Any]:
    """RunTask's override for a container."""
    overrides = task.overrides.get("containerOverrides", [])
    return next((one for one in overrides if one.get("name") == container), {})


def container_spec(
    task: Task, container: RunningContainer, environment: dict[str, str]
) -> ContainerSpec:
    """What the engine has to run for one container of the task."""
    definition, override = container.definition, override_of(task, container.name)
    family, _, revision = last_part(task.definition["taskDefinitionArn"]).partition(":")
    own_memory = definition.get("memory") or definition.get("memoryReservation")
    memory = own_memory or task.definition.get("memory") or _MEMORY
    return ContainerSpec(
        name=f"ecs-{family}-{revision}-{container.name}-{task.id[:12]}",
        image=definition["image"],
        environment=environment,
        command=tuple(override.get("command") or definition.get("command") or ()),
        entry_point=tuple(definition.get("entryPoint") or ()),
        memory=int(memory),
        labels={
            "com.amazonaws.ecs.cluster": task.cluster,
            "com.amazonaws.ecs.container-name": container.name,
            "com.amazonaws.ecs.task-arn": task.arn,
            "com.amazonaws.ecs.task-definition-family": family,
            "com.amazonaws.ecs.task-definition-version": revision,
        },
        stop_timeout=float(definition.get("stopTimeout") or _STOP_TIMEOUT),
    )


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(_LISTEN_POLL)
        return probe.connect_ex((address, port)) == 0
