"""Removes what a split has created for a service."""

import asyncio
from typing import Final

from config.errors import TrafficConflict
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.owner import owner_of
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome
from tasks.aws.call import call
from tasks.cloudwatch.log_group import delete_log_group
from tasks.discovery import Discovered
from tasks.ecr.repository import delete_repository
from tasks.ecs.revisions import delete_revisions
from tasks.ecs.service import delete_service
from tasks.ecs.wait import wait_until_gone
from tasks.elbv2.rule import delete_rule, own_rules, read_rules
from tasks.elbv2.rule_matching import CONTROL, PATH, PREVIEW
from tasks.elbv2.target_group import delete_target_group
from tasks.elbv2.weights import is_returned
from tasks.iam.task_role import delete_task_role

__all__ = ["remove_service"]

_STOP_PATIENCE: Final = 600.0


async def remove_service(
    config: SplitConfig, discovered: Discovered, service: ServiceConfig, *, adopted: bool
) -> ServiceOutcome:
    """
    Remove everything that the split has made for a service.

    The target group goes last: as long as it is there, a run after a killed one finds what is left
    of the service.

    Args:
        config: The split.
        discovered: What is only read.
        service: The service; one that the config has no more as `tasks.state.owned.former_service`.
        adopted: Whether its ECS service was there before the split.

    Raises:
        TrafficConflict: A path rule sends requests to it.
        ServiceUnhealthy: Its tasks do not end.
    """
    aws, cluster, name, owner = (
        config.aws,
        discovered.cluster_arn,
        service.name,
        owner_of(config, service),
    )
    emit("stage", name, "removing")
    await _remove_rules(config, discovered, service)
    if adopted:
        emit(
            "note",
            name,
            "its ECS service was there before the split, and stays with what it runs on",
        )
        return ServiceOutcome(stage="removed")
    await delete_service(aws, cluster, name, owner)
    await wait_until_gone(aws, cluster, name, service.deregistration_delay + _STOP_PATIENCE)
    await asyncio.gather(
        delete_revisions(aws, service.family, owner),
        delete_log_group(aws, service.log_group, owner),
        delete_task_role(aws, service.task_role, owner),
        delete_repository(aws, name, owner),
    )
    await delete_target_group(aws, service.target_group, owner)
    emit("stage", name, "removed")
    return ServiceOutcome(stage="removed")


async def _remove_rules(
    config: SplitConfig, discovered: Discovered, service: ServiceConfig
) -> None:
    rules, owner = (
        await call(read_rules, config.aws, discovered.listener_arn),
        owner_of(config, service),
    )
    paths = own_rules(rules, owner, PATH).values()
    for rule in paths:
        if not is_returned(rule, discovered.monolith.target_group_arn):
            raise TrafficConflict(
                f"{rule.label} sends requests to {service.name} again, so it stays; "
                "give them back with `python -m flows.rollback`, then run again"
            )
    for rule in (
        *own_rules(rules, owner, PREVIEW).values(),
        *own_rules(rules, owner, CONTROL).values(),
        *paths,
    ):
        await delete_rule(config.aws, rule.arn)
