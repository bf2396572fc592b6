"""
Services that are split off already: made by the tasks themselves, in seconds and without a flow.
"""

import time

from flows.plan.owner import owner_of
from tasks.cloudwatch.log_group import desired_log_group, ensure_log_group
from tasks.discovery import discover
from tasks.ecr.build import build_image
from tasks.ecr.context.wanted import wanted_tag
from tasks.ecr.image import push_image
from tasks.ecr.repository import desired_repository, ensure_repository
from tasks.ecs.service import desired_service, ensure_service
from tasks.ecs.task_definition import desired_task_definition, ensure_task_definition
from tasks.elbv2.rule import desired_path_rules, ensure_rule
from tasks.elbv2.target_group import desired_target_group, ensure_target_group, read_target_health
from tasks.elbv2.weights import shift_weight
from tasks.iam.task_role import desired_task_role, ensure_task_role

__all__ = ["place", "wait_until_healthy"]

PATIENCE = 60


def place(config, name, weight):
    """
    Build and run a service, healthy, with that percentage of its requests; returns its target
    group's ARN.
    """
    aws, service = config.aws, config.service(name)
    discovered, owner = discover.plain(config), owner_of(config, service)
    ensure_log_group.plain(aws, desired_log_group(service, owner))
    definition = desired_task_definition(
        service,
        owner,
        region=aws.region,
        image=_push(config, service, owner),
        execution_role_arn=discovered.execution_role_arn,
        task_role_arn=ensure_task_role.plain(aws, desired_task_role(service, owner)),
    )
    revision = ensure_task_definition.plain(aws, definition)
    group = ensure_target_group.plain(aws, desired_target_group(service, owner, discovered.vpc_id))
    monolith = discovered.monolith.target_group_arn
    rules = [
        ensure_rule.plain(aws, discovered.listener_arn, rule, {monolith: 100, group: 0}, monolith)
        for rule in desired_path_rules(service.path_patterns, owner)
    ]
    ensure_service.plain(
        aws,
        desired_service(service, owner, discovered, task_definition=revision, target_group=group),
    )
    wait_until_healthy(aws, group)
    for rule in rules:
        shift_weight.plain(aws, rule, monolith, group, weight)
    return group


def _push(config, service, owner):
    uri = ensure_repository.plain(config.aws, desired_repository(service, owner))
    tag = wanted_tag(config.aws, config.docker_host, service).reference
    build_image.plain(config.docker_host, service, f"{uri}:{tag}")
    return push_image.plain(config.aws, config.docker_host, service, uri, tag).pinned


def wait_until_healthy(aws, group):
    """Wait for the first healthy target."""
    deadline = time.monotonic() + PATIENCE
    while not (health := read_target_health(aws, group)).healthy:
        assert time.monotonic() < deadline, health
        time.sleep(0.1)
