"""
Rolls out a service that has all its traffic: a rolling deployment that goes back to the old
revision when the new one fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.errors import ServiceUnhealthy, StepFailed
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome
from flows.service.placement import Placement
from flows.service.prepare import Prepared
from flows.service.proof.served_by import ServedBy
from flows.service.proof.verify import ON_PUBLIC_ROUTE, emit_checks_passed, emit_failed_check
from flows.service.running import ensure_running
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.discovery import Discovered
from tasks.ecs.service import desired_service, read_service
from tasks.ecs.wait import wait_until_healthy
from tasks.elbv2.target_group import TargetHealth, desired_target_group, ensure_target_group
from tasks.http.checks import run_checks
from tasks.http.request import Request

__all__ = ["good_revision", "roll_out"]


async def roll_out(
    config: SplitConfig,
    discovered: Discovered,
    service: ServiceConfig,
    owner: Owner,
    prepared: Prepared,
) -> ServiceOutcome:
    """
    Replace a service's tasks while users call it: ECS stops an old task only when a new one is
    healthy.

    Args:
        config: The split.
        discovered: Listener, cluster and network.
        service: The service; it has all requests for its paths.
        owner: Owner of its resources.
        prepared: The image and revision to run.

    Raises:
        ServiceUnhealthy: The circuit breaker rolled it back, or it took too long; the old revision
            serves.
        CheckFailed: A check failed, or the service did not answer it; the old revision serves.
    """
    emit("stage", service.name, "rolling out")
    before = await _running_revision(config, discovered, service)
    group = await ensure_target_group(
        config.aws, desired_target_group(service, owner, discovered.vpc_id)
    )
    rollout = _Rollout(config, discovered, service, owner, group)
    try:
        health = await rollout.run(prepared.task_definition)
        await rollout.verify()
    except StepFailed as error:
        emit_failed_check(service.name, error)
        if before is None or before == prepared.task_definition:
            raise
        note = await rollout.go_back_to(before)
        raise type(error)(f"{error}\n{note}") from None
    emit_checks_passed(service.name, ON_PUBLIC_ROUTE, len(service.checks))
    emit("stage", service.name, "settled", numbers={"healthy_targets": health.healthy})
    return prepared.outcome("settled", weight=100, health=health)


@dataclass(frozen=True)
class _Rollout:
    """Changes which revision a service runs."""

    config: SplitConfig
    discovered: Discovered
    service: ServiceConfig
    owner: Owner
    target_group_arn: str

    async def run(self, revision: str) -> TargetHealth:
        """Run a revision, and wait until all its targets are healthy."""
        desired = desired_service(
            self.service,
            self.owner,
            self.discovered,
            task_definition=revision,
            target_group=self.target_group_arn,
        )
        await ensure_running(self.config, self.service, desired)
        return await wait_until_healthy(
            self.config.aws,
            self.discovered.cluster_arn,
            self.service.name,
            revision,
            self.target_group_arn,
            self.config.stable_timeout,
        )

    async def verify(self) -> None:
        """
        Run the checks as a user would, and verify that the service answered them.

        Raises:
            CheckFailed: A check failed, or something else answered.
        """
        emit("stage", self.service.name, "verifying")
        served_by = ServedBy(self._placement(), ON_PUBLIC_ROUTE)
        checks = self.service.own_checks
        await run_checks(
            self.config.aws, self.service.name, ON_PUBLIC_ROUTE, served_by.preview, checks
        )
        await served_by.verify()

    def _placement(self) -> Placement:
        """
        The service on the public route: with all its traffic it has no other.

        The paths of the monolith's checks lead to the monolith there, so its name is learnt by one.
        """
        route = self.discovered.route()
        checks = self.config.monolith.checks[:1]
        return Placement(
            config=self.config,
            discovered=self.discovered,
            service=self.service,
            target_group_arn=self.target_group_arn,
            rule_arns=(),
            user=route,
            preview=route,
            control=route,
            requests=tuple(Request(check.path, check.method) for check in checks),
        )

    async def go_back_to(self, revision: str) -> str:
        """Run the old revision again; returns whether it serves, as a line of the error."""
        name = self.service.name
        label = revision.rpartition("/")[2]
        try:
            health = await self.run(revision)
        except ServiceUnhealthy as error:
            return f"{name} is not healthy on {label} either: {error}"
        text = f"{name} is back on {label}, which serves its paths: {health}"
        emit("note", name, text, numbers={"healthy_targets": health.healthy})
        return text


async def _running_revision(
    config: SplitConfig, discovered: Discovered, service: ServiceConfig
) -> str | None:
    running = await call(read_service, config.aws, discovered.cluster_arn, service.name)
    return good_revision(running) if running else None


def good_revision(service: Mapping[str, Any]) -> str | None:
    """
    ARN of the last revision that the service ran without fault: the one that the circuit breaker
    goes back to.

    Args:
        service: ECS's description.
    """
    for deployment in service.get("deployments", []):
        if deployment.get("rolloutState", "COMPLETED") == "COMPLETED":
            return str(deployment["taskDefinition"])
    return None
