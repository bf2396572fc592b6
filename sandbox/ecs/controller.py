"""The controller: brings every service's tasks to its desired state, again and again."""

import sys
import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from typing import Final

from sandbox.ecs.model.deployment import Deployment, breaker_threshold
from sandbox.ecs.model.names import now
from sandbox.ecs.model.schedule import Step, plan_step
from sandbox.ecs.model.service import Service
from sandbox.ecs.model.store import Store
from sandbox.ecs.model.task import Task
from sandbox.ecs.tasks.runner import Runner
from sandbox.ecs.tasks.targets import Health, Target, Targets

__all__ = ["Controller"]

_TICK: Final = 0.25
_STEADY_INTERVAL: Final = 1.0
"""Seconds between two reads of the target health of a service without changes."""
_SETTLED: Final = 2.0
"""Seconds after which a task without a load balancer counts as healthy; AWS waits for 40."""
_FREE_RETRIES: Final = 3
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
"""AWS waits up to minutes between starts of a task that keeps failing; a rehearsal does not."""
_TRIPPED: Final = "ECS deployment circuit breaker: tasks failed to start."
_KEEPS_FAILING: Final = (
    "is unable to consistently start tasks successfully. For more information, see the "
    "Troubleshooting section of the Amazon ECS Developer Guide."
)


class Controller:
    """One thread that handles every service after each change, and at least four times a second."""

    def __init__(self, endpoint_url: str, store: Store, runner: Runner) -> None:
        self._store, self._runner = store, runner
        self._targets = Targets(endpoint_url)
        self._read_at: dict[str, float] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ecs-controller", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop; running tasks go on."""
        self._closing.set()
        self._store.wake()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._store.wait(_TICK)
            try:
                self._tick()
            except Exception:  # noqa: BLE001 - one failure must not end every service; it is printed, and tried again
                if not self._closing.is_set():
                    traceback.print_exc(file=sys.stderr)
                    self._closing.wait(_TICK)

    def _tick(self) -> None:
        health = self._targets.read_health(self._groups_to_read())
        with self._store.lock:
            for service in self._store.services.values():
                if service.status != "INACTIVE":
                    self._converge(service, health)
            self._store.forget_old_tasks()

    def _groups_to_read(self) -> list[str]:
        """Target groups of running tasks: always when a task is not healthy, else once a second."""
        with self._store.lock:
            urgent: dict[str, bool] = {}
            for task in self._store.tasks.values():
                if task.live and task.status == "RUNNING":
                    for group, _, _ in task.targets():
                        urgent[group] = urgent.get(group, False) or task.standing != "healthy"
        at = time.monotonic()
        due = [
            group
            for group, is_urgent in urgent.items()
            if is_urgent or at - self._read_at.get(group, 0.0) >= _STEADY_INTERVAL
        ]
        self._read_at.update(dict.fromkeys(due, at))
        return due

    def _converge(self, service: Service, health: dict[Target, Health]) -> None:
        tasks = self._store.tasks_of(service)
        for task in tasks:
            _judge(service, task, health)
        for task in tasks:
            if task.failed and not task.accounted:
                _account(service, task)
        _break_circuit(service, tasks)
        self._take_step(service, tasks)
        _settle(service, self._store.tasks_of(service))

    def _take_step(self, service: Service, tasks: list[Task]) -> None:
        step = _plan(service, [task for task in tasks if task.live])
        _stop(step.stop, service.primary)
        started = [_make_task(service) for _ in range(step.start)]
        for task in started:
            self._runner.launch(task)
        if started:
            names = " ".join(f"(task {task.id})" for task in started)
            service.add_event(f"has started {len(started)} tasks: {names}.")


def _plan(service: Service, live: list[Task]) -> Step:
    primary = service.primary
    may_start = primary.rollout_state != "FAILED" and time.monotonic() >= service.start_after
    return plan_step(
        service.desired if service.status == "ACTIVE" else 0,
        service.deployment_configuration,
        primary=[task for task in live if task.deployment == primary.id],
        former=[task for task in live if task.deployment != primary.id],
        may_start=may_start,
    )


def _judge(service: Service, task: Task, health: dict[Target, Health]) -> None:
    """Decide whether a running task is healthy."""
    if not task.live or task.status != "RUNNING":
        return
    age = (now() - task.times["startedAt"]).total_seconds()
    if not task.load_balancers:
        if age >= _SETTLED:
            _set_healthy(service, task)
        return
    targets = [target for target in task.targets() if target in health]
    states = [health[target].state for target in targets]
    if "unhealthy" in states and age >= service.grace and task.standing != "unhealthy":
        target = targets[states.index("unhealthy")]
        _set_unhealthy(service, task, target, health[target])
    elif states.count("healthy") == len(task.load_balancers):
        _set_healthy(service, task)


def _set_unhealthy(service: Service, task: Task, target: Target, health: Health) -> None:
    task.standing = "unhealthy"
    group, _, port = target
    service.add_event(
        f"(task {task.id}) (port {port}) is unhealthy in (target-group {group}) due to (reason "
        f"{health.reason})."
    )
    _account(service, task)


def _set_healthy(service: Service, task: Task) -> None:
    if task.standing == "healthy":
        return
    task.standing = "healthy"
    task.accounted = False
    service.failures = 0
    service.start_after = 0.0
    if task.deployment == service.primary.id and service.breaker.get("resetOnHealthyTask", True):
        # "Once a service deployment has one or more successfully running tasks, the failed task
        # count resets to zero."
        service.primary.failed_tasks = 0


def _account(service: Service, task: Task) -> None:
    """Count a failure: for the pause before the next start and, in a rollout, the deployment."""
    task.accounted = True
    service.failures += 1
    service.steady = False
    if task.deployment == service.primary.id and service.primary.rollout_state == "IN_PROGRESS":
        service.primary.failed_tasks += 1
    over = service.failures - _FREE_RETRIES
    if over >= 0:
        service.start_after = time.monotonic() + min(_FIRST_PAUSE * 2**over, _LONGEST_PAUSE)
    if over == 0:
        service.add_event(_KEEPS_FAILING)


def _break_circuit(service: Service, tasks: list[Task]) -> None:
    """Fail the deployment when too many of its tasks have failed; roll back if configured."""
    breaker, primary = service.breaker, service.primary
    if not breaker.get("enable") or primary.rollout_state != "IN_PROGRESS":
        return
    if primary.failed_tasks < breaker_threshold(breaker, service.desired):
        return
    primary.settle("FAILED", _TRIPPED)
    service.add_event(f"(deployment {primary.id}) deployment failed: tasks failed to start.")
    failing = [task for task in tasks if task.deployment == primary.id]
    _stop([task for task in failing if task.standing != "healthy"], primary)
    good = service.completed
    if breaker.get("rollback") and good and primary.rolls_back is None:
        _roll_back(service, primary, good)


def _roll_back(service: Service, failed: Deployment, good: Deployment) -> None:
    service.add_event(f"rolling back to deployment {good.id}.")
    rollback = Deployment(
        cluster=service.cluster,
        service=service.name,
        definition=good.definition,
        network=good.network,
        load_balancers=good.load_balancers,
        rollout_reason=f"ECS deployment circuit breaker: rolling back to deploymentId {good.id}.",
        rolls_back=failed,
    )
    failed.rolled_back_by = rollback
    service.deploy(rollback)


def _stop(tasks: Iterable[Task], cause: Deployment) -> None:
    for task in tasks:
        reason = f"Scaling activity initiated by (deployment {cause.id})"
        if task.standing == "unhealthy" and task.load_balancers:
            group = task.load_balancers[0]["targetGroupArn"]
            reason = f"Task failed ELB health checks in (target-group {group})"
        task.request_stop(reason, "ServiceSchedulerInitiated")


def _make_task(service: Service) -> Task:
    primary = service.primary
    service.launched += 1
    return Task(
        cluster=service.cluster,
        definition=primary.definition,
        network=primary.network,
        group=f"service:{service.name}",
        started_by=primary.id,
        service=service.name,
        deployment=primary.id,
        load_balancers=primary.load_balancers,
        launch_type=service.launch_type,
        tags=_task_tags(service),
        turn=service.launched,
    )


def _task_tags(service: Service) -> list[dict[str, str]]:
    tags: list[dict[str, str]] = []
    match service.request.get("propagateTags"):
        case "SERVICE":
            tags += service.tags
        case "TASK_DEFINITION":
            tags += service.primary.definition.get("tags", [])
    if service.request.get("enableECSManagedTags"):
        tags.append({"key": "aws:ecs:clusterName", "value": service.cluster})
        tags.append({"key": "aws:ecs:serviceName", "value": service.name})
    return tags


def _settle(service: Service, tasks: list[Task]) -> None:
    """Detect a completed deployment, a steady state, and the end of a deleted service."""
    left = [task for task in tasks if task.status != "STOPPED"]
    if service.status == "DRAINING":
        if not left:
            service.status = "INACTIVE"
        return
    primary = service.primary
    reached = len(left) == service.desired and all(_is_settled(task, primary) for task in left)
    if reached and primary.rollout_state == "IN_PROGRESS":
        _complete(service)
    if reached and not service.steady and primary.rollout_state == "COMPLETED":
        service.add_event("has reached a steady state.")
    service.steady = reached
    shown = _shown_deployments(primary, left)
    service.deployments = [one for one in service.deployments if one.id in shown]


def _complete(service: Service) -> None:
    primary = service.primary
    primary.settle("COMPLETED", f"ECS deployment {primary.id} completed.")
    service.completed = primary
    service.add_event(f"(deployment {primary.id}) deployment completed.")


def _is_settled(task: Task, primary: Deployment) -> bool:
    return task.live and task.standing == "healthy" and task.deployment == primary.id


def _shown_deployments(primary: Deployment, left: Sequence[Task]) -> set[str | None]:
    """AWS shows a failed deployment until its rollback ends, others until their last task ends."""
    shown = {primary.id, *(task.deployment for task in left)}
    if primary.rolls_back and primary.rollout_state == "IN_PROGRESS":
        shown.add(primary.rolls_back.id)
    return shown
