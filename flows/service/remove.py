"""Removes what a split has created for a service."""

import asyncio

from config.errors import TrafficConflict
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.owner import owner_of
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome
from flows.service.running import STOP_PATIENCE
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.cloudwatch.log_group import delete_log_group
from tasks.discovery import Discovered
from tasks.ecr.repository import delete_repository
from tasks.ecs.revisions import delete_revisions
from tasks.ecs.service import delete_service
from tasks.ecs.wait import wait_until_gone
from tasks.elbv2.rule import delete_rule, own_rules, read_rules
from tasks.elbv2.rule_matching import CONTROL, PATH, PREVIEW, Rule
from tasks.elbv2.target_group import delete_target_group
from tasks.elbv2.weights import is_returned
from tasks.iam.task_role import delete_task_role

__all__ = ["remove_service"]


async def remove_service(
    config: SplitConfig, discovered: Discovered, service: ServiceConfig, *, adopted: bool
) -> ServiceOutcome:
    """
    Remove everything that the split has created for a service.

    Args:
        config: The split.
        discovered: What the split only reads.
        service: The service; one that the config no longer has, as
            `tasks.state.owned.former_service`.
        adopted: Whether its ECS service existed before the split; then only its rules are removed.

    Raises:
        TrafficConflict: A path rule sends requests to it.
        ServiceUnhealthy: Its tasks do not stop in time.
    """
    emit("stage", service.name, "removing")
    owner = owner_of(config, service)
    await _remove_rules(config, discovered, service, owner)
    if adopted:
        text = "its ECS service existed before the split: it stays, with everything it runs on"
        emit("note", service.name, text)
    else:
        await _remove_resources(config, discovered, service, owner)
        emit("stage", service.name, "removed")
    return ServiceOutcome.of("removed")


async def _remove_rules(
    config: SplitConfig, discovered: Discovered, service: ServiceConfig, owner: Owner
) -> None:
    rules = await call(read_rules, config.aws, discovered.listener_arn)
    path_rules = own_rules(rules, owner, PATH).values()
    for rule in path_rules:
        _refuse_traffic(rule, service, discovered)
    private_rules = [
        *own_rules(rules, owner, PREVIEW).values(),
        *own_rules(rules, owner, CONTROL).values(),
    ]
    for rule in (*private_rules, *path_rules):
        await delete_rule(config.aws, rule.arn)


def _refuse_traffic(rule: Rule, service: ServiceConfig, discovered: Discovered) -> None:
    if not is_returned(rule, discovered.monolith.target_group_arn):
        raise TrafficConflict(
            f"{rule.label} sends requests to {service.name} again, so it stays; "
            "roll them back with `python -m flows.rollback`, then run again"
        )


async def _remove_resources(
    config: SplitConfig, discovered: Discovered, service: ServiceConfig, owner: Owner
) -> None:
    """
    The target group goes last: as long as it exists, a run after a killed one finds what is left of
    the service.
    """
    aws = config.aws
    patience = service.deregistration_delay + STOP_PATIENCE
    await delete_service(aws, discovered.cluster_arn, service.name, owner)
    await wait_until_gone(aws, discovered.cluster_arn, service.name, patience)
    await asyncio.gather(
        delete_revisions(aws, service.family, owner),
        delete_log_group(aws, service.log_group, owner),
        delete_task_role(aws, service.task_role, owner),
        delete_repository(aws, service.name, owner),
    )
    await delete_target_group(aws, service.target_group, owner)
