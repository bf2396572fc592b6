"""The subflow of one service: prepare, place, prove, shift, settle."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect import flow

from config.errors import StepFailed
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.owner import owner_of
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome
from flows.service.placement import Placement
from flows.service.prepare import Prepared, prepare
from flows.service.rolling_update import roll_out
from flows.service.shift import roll_back_to_monolith, shift_traffic
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.discovery import Discovered
from tasks.ecs.service import desired_service, ensure_service
from tasks.ecs.wait import wait_until_healthy
from tasks.elbv2.rule import (
    delete_rule,
    desired_path_rules,
    desired_preview_rules,
    ensure_rule,
    own_rules,
    read_rules,
)
from tasks.elbv2.rule_matching import CONTROL, PREVIEW
from tasks.elbv2.target_group import desired_target_group, ensure_target_group, read_target_health
from tasks.elbv2.weights import check_unchanged
from tasks.http.checks import run_checks
from tasks.http.client import PREVIEW_HEADER, Route
from tasks.http.parity import compare_with_monolith, parity_paths

__all__ = ["settle_service"]


@flow(name="settle service", flow_run_name="settle {name}", retries=0, persist_result=False)
async def settle_service(
    config: SplitConfig,
    name: str,
    discovered: Discovered,
    adopt: list[str] | None = None,
    *,
    approved: bool = True,
) -> ServiceOutcome:
    """
    Carve one service out of the monolith.

    Args:
        config: The split.
        name: The service's name.
        discovered: What is only read.
        adopt: Services that may take over what this split did not make.
        approved: Whether it may get its first user; without that it stops once it is proven.

    Raises:
        StepFailed: A step failed; the service's paths are the monolith's, unless the message says
            otherwise.
    """
    service = config.service(name)
    owner = owner_of(config, service, adopt or ())
    emit("stage", name, "preparing")
    prepared = await prepare(config, discovered, service, owner)
    if discovered.monolith.desired_count == 0:
        # There is nothing to shift from.
        return await roll_out(config, discovered, service, owner, prepared)
    emit("stage", name, "placing")
    async with _placed(config, discovered, service, owner, prepared) as (placement, weight):
        emit("stage", name, "proving")
        await _prove(config, discovered, placement, prepared, weight)
        if weight == 0 and not approved:
            emit("stage", name, "proven")
            return ServiceOutcome(
                stage="proven",
                weight=0,
                image=prepared.image,
                task_definition=prepared.task_definition,
            )
        emit("stage", name, "shifting")
        await shift_traffic(config, discovered, placement, weight)
        emit("stage", name, "settling")
        await _verify(config, discovered, placement)
    return await _settled(config, service, prepared, placement.target_group_arn)


async def _verify(config: SplitConfig, discovered: Discovered, placement: Placement) -> None:
    """The last word is the users' own route; while the monolith runs, there is a way back."""
    try:
        await run_checks(
            placement.service.name, "on its public path", placement.user, placement.service.checks
        )
    except StepFailed:
        await roll_back_to_monolith(
            config, discovered, placement, "it does not answer right on its public path"
        )
        raise


async def _settled(
    config: SplitConfig, service: ServiceConfig, prepared: Prepared, target_group_arn: str
) -> ServiceOutcome:
    health = await call(read_target_health, config.aws, target_group_arn)
    emit("stage", service.name, "settled", numbers={"healthy_targets": health.healthy})
    return ServiceOutcome(
        stage="settled",
        weight=100,
        healthy_targets=health.healthy,
        image=prepared.image,
        task_definition=prepared.task_definition,
    )


@asynccontextmanager
async def _placed(
    config: SplitConfig,
    discovered: Discovered,
    service: ServiceConfig,
    owner: Owner,
    prepared: Prepared,
) -> AsyncIterator[tuple[Placement, int]]:
    """
    Target group, dark rule, preview and control rules, ECS service; the private rules go in the
    end, whatever happens.

    ECS refuses a target group that no listener uses, so the rule comes first, and sends nothing to
    the empty group.
    """
    aws, monolith = config.aws, discovered.monolith.target_group_arn
    group = await ensure_target_group(aws, desired_target_group(service, owner, discovered.vpc_id))
    dark = {monolith: 100, group: 0}
    rules = [
        await ensure_rule(aws, discovered.listener_arn, rule, dark, monolith)
        for rule in desired_path_rules(service.path_patterns, owner)
    ]
    secret = secrets.token_urlsafe(24)
    routes = {
        role: Route(discovered.alb_url, {PREVIEW_HEADER: f"{secret}.{role}"})
        for role in (PREVIEW, CONTROL)
    }
    placement = Placement(
        service=service,
        rule_arns=tuple(rules),
        target_group_arn=group,
        user=Route(discovered.alb_url),
        preview=routes[PREVIEW],
        control=routes[CONTROL],
        probe_paths=_probe_paths(service),
    )
    try:
        for role, target in ((PREVIEW, group), (CONTROL, monolith)):
            header = (PREVIEW_HEADER, routes[role].headers[PREVIEW_HEADER])
            for rule in desired_preview_rules(service.path_patterns, owner, role, header):
                await ensure_rule(aws, discovered.listener_arn, rule, {target: 1}, monolith)
        desired = desired_service(
            service, owner, discovered, task_definition=prepared.task_definition, target_group=group
        )
        await ensure_service(aws, desired)
        yield placement, await _current_weight(config, discovered, placement)
    finally:
        await asyncio.shield(_remove_private_rules(config, discovered, owner))


def _probe_paths(service: ServiceConfig) -> tuple[str, ...]:
    paths = [*parity_paths(service), *(check.path for check in service.checks)]
    return tuple(dict.fromkeys(paths))


async def _current_weight(config: SplitConfig, discovered: Discovered, placement: Placement) -> int:
    """
    The service's weight now: 0 in a first run.

    Raises:
        TrafficConflict: Somebody else changed a rule.
    """
    rules = await call(read_rules, config.aws, discovered.listener_arn)
    return min(
        check_unchanged(rule, placement.target_group_arn)
        for rule in rules
        if rule.arn in placement.rule_arns
    )


async def _remove_private_rules(config: SplitConfig, discovered: Discovered, owner: Owner) -> None:
    rules = await call(read_rules, config.aws, discovered.listener_arn)
    for role in (PREVIEW, CONTROL):
        for rule in own_rules(rules, owner, role).values():
            await delete_rule(config.aws, rule.arn)


async def _prove(
    config: SplitConfig,
    discovered: Discovered,
    placement: Placement,
    prepared: Prepared,
    weight: int,
) -> None:
    """Before any user's request: stable, healthy, right, and alike."""
    service = placement.service
    try:
        health = await wait_until_healthy(
            config.aws,
            discovered.cluster_arn,
            service.name,
            prepared.task_definition,
            placement.target_group_arn,
            config.stable_timeout,
        )
        emit("note", service.name, f"stable: {health}", numbers={"healthy_targets": health.healthy})
        await run_checks(service.name, "on its preview route", placement.preview, service.checks)
        emit(
            "check",
            service.name,
            f"{len(service.checks)} checks hold on its preview route",
            verdict="pass",
        )
        paths = parity_paths(service)
        differences = (
            await compare_with_monolith(service, placement.control, placement.preview, paths)
            if paths
            else []
        )
    except StepFailed as error:
        emit("check", service.name, str(error), verdict="fail")
        if weight > 0:
            # An interrupted run had already given it users, and it is not right now.
            await roll_back_to_monolith(config, discovered, placement, "it is not right")
        raise
    alike = f"{len(paths) - len(differences)} of {len(paths)} answers are the monolith's"
    emit(
        "check",
        service.name,
        alike,
        verdict="pass",
        numbers={"differences": [str(item) for item in differences]},
    )
