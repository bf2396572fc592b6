"""AWS's size limits, which AWS itself checks only in the middle of a run."""

import json
from collections.abc import Iterator
from typing import Any, Final

from config.service import ServiceConfig
from config.split import SplitConfig
from tasks.aws.tags import Owner
from tasks.ecs.task_definition import desired_task_definition
from tasks.iam.task_role import desired_task_role

__all__ = ["check_sizes"]

_TASK_DEFINITION: Final = 65_536
"""Bytes. Source: ECS service quotas, "Task definition size"."""
_ROLE_POLICY: Final = 10_240
"""Characters without white space. Source: IAM quotas, "Role inline policies"."""
_HEALTH_PATH: Final = 1_024
"""Characters. Source: ELBv2 CreateTargetGroup, HealthCheckPath."""
_ALARM_NAME: Final = 255
"""Characters. Source: CloudWatch DescribeAlarms, AlarmNames."""
_ALARMS: Final = 100
"""Names in a call. Source: CloudWatch DescribeAlarms, AlarmNames."""
_ARN_LENGTH: Final = 128
"""Characters that stand for an ARN or an image that does not exist yet: longer than most."""


def check_sizes(config: SplitConfig, place: str, service: ServiceConfig, owner: Owner) -> list[str]:
    """
    Find what is larger than AWS allows, each with field, value and remedy.

    Args:
        config: The split.
        place: The service's, e.g. `services[0]`.
        service: The service.
        owner: Whose it is.
    """
    found = [
        *_definition_faults(config, service, owner),
        *_policy_faults(service, owner),
        *_path_faults(service),
        *_environment_faults(service),
    ]
    gates = f"{place}.traffic.gates" if service.traffic else "traffic.gates"
    alarms = _alarm_faults(config.traffic_of(service).gates.alarms)
    return [*(f"{place}.{fault}" for fault in found), *(f"{gates}.{fault}" for fault in alarms)]


def _definition_faults(config: SplitConfig, service: ServiceConfig, owner: Owner) -> Iterator[str]:
    """A task definition that RegisterTaskDefinition would refuse."""
    unknown = "x" * _ARN_LENGTH
    definition = desired_task_definition(
        service,
        owner,
        region=config.aws.region,
        image=service.image or unknown,
        execution_role_arn=config.execution_role_arn or unknown,
        task_role_arn=unknown,
    )
    size = _json_size(definition.request)
    if size > _TASK_DEFINITION:
        variables = _json_size(service.environment) + _json_size(service.secrets)
        yield (
            f"environment: the task definition has {size} bytes, {variables} of them for "
            f"environment and secrets, ECS allows {_TASK_DEFINITION}; move large values to S3 or "
            "SSM Parameter Store"
        )


def _policy_faults(service: ServiceConfig, owner: Owner) -> Iterator[str]:
    """Statements that do not fit into a role's own policy."""
    policy = desired_task_role(service, owner).policy
    size = len(json.dumps(policy, separators=(",", ":"))) if policy else 0
    if size > _ROLE_POLICY:
        yield (
            f"task_role_policy: {len(service.task_role_policy)} statements have {size} "
            f"characters, IAM allows {_ROLE_POLICY}; use wildcards, or fewer resources"
        )


def _path_faults(service: ServiceConfig) -> Iterator[str]:
    """A health check's path that is too long; names and tags are limited by their own forms."""
    path = service.health_check.path
    if len(path) > _HEALTH_PATH:
        yield (
            f"health_check.path: {path[:40]}… has {len(path)} characters, ELBv2 allows "
            f"{_HEALTH_PATH}; shorten it"
        )


def _environment_faults(service: ServiceConfig) -> Iterator[str]:
    """Names of variables that no process can have."""
    for field, names in (("environment", service.environment), ("secrets", service.secrets)):
        for name in names:
            if not name or "=" in name or "\0" in name:
                yield f"{field}: {name!r} is not a variable's name; leave out `=`, and name it"
    for name, value in service.environment.items():
        if "\0" in value:
            yield f"environment.{name}: has a NUL, which no variable can have; take it out"


def _alarm_faults(alarms: tuple[str, ...]) -> Iterator[str]:
    """Alarms that one call cannot read."""
    if len(alarms) > _ALARMS:
        yield (
            f"alarms: {len(alarms)} are listed, CloudWatch reads {_ALARMS} at once; use a "
            "composite alarm"
        )
    for index, name in enumerate(alarms):
        if len(name) > _ALARM_NAME:
            yield (
                f"alarms[{index}]: {name[:40]}… has {len(name)} characters, CloudWatch allows "
                f"{_ALARM_NAME}; give the alarm's name"
            )


def _json_size(value: Any) -> int:
    """Bytes of a value as it is sent."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
