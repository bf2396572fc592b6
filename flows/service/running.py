"""Runs the ECS service of a microservice, also where one of its name was just deleted."""

from typing import Final

from config.service import ServiceConfig
from config.split import SplitConfig
from flows.record.events import emit
from tasks.aws.call import call
from tasks.ecs.not_active import is_draining
from tasks.ecs.service import Service, ensure_service, read_service
from tasks.ecs.wait import wait_while_draining

__all__ = ["STOP_PATIENCE", "ensure_running"]

STOP_PATIENCE: Final = 600.0
"""Seconds for the tasks of a deleted service to stop, after their deregistration delay."""


async def ensure_running(config: SplitConfig, service: ServiceConfig, desired: Service) -> None:
    """
    Create or update the ECS service; one that was deleted and still drains is waited for, because
    ECS does not create another of its name before.

    Args:
        config: The split.
        service: The service.
        desired: Its ECS service.

    Raises:
        ServiceUnhealthy: The deleted service does not end in time.
    """
    cluster = desired.request["cluster"]
    observed = await call(read_service, config.aws, cluster, desired.name)
    if is_draining(observed):
        emit("note", service.name, "its ECS service was deleted and still drains; waiting for that")
        patience = service.deregistration_delay + STOP_PATIENCE
        await wait_while_draining(config.aws, cluster, desired.name, patience)
    await ensure_service(config.aws, desired)
