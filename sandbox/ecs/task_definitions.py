"""ECS task definitions, which moto keeps: what AWS refuses, and how AWS writes them back."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from moto.ecs.models import EC2ContainerServiceBackend

from sandbox.api.call import Call
from sandbox.api.errors import AwsError
from sandbox.api.internal import internal_client
from sandbox.api.moto_patches import MotoPatches
from sandbox.api.request import check_limits

__all__ = ["patch_moto", "refuse"]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ROLE: Final = re.compile(r"(?:arn:aws[\w-]*:iam::\d{12}:role/)?[\w+=,.@/-]+")
_ECR_HOST: Final = re.compile(r"\d{12}\.dkr\.ecr\.[\w-]+\.amazonaws\.com(?:\.cn)?/")
_LARGEST: Final = 65_536
"""Bytes of a task definition."""
_MOST_CONTAINERS: Final = 10
_FARGATE_LOG_DRIVERS: Final = ("awslogs", "splunk", "awsfirelens")
_MEMORY_BY_CPU: Final = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16_384 + 1, 1024),
    4096: range(8192, 30_720 + 1, 1024),
    8192: range(16_384, 61_440 + 1, 4096),
    16_384: range(32_768, 122_880 + 1, 8192),
}
"""MiB by CPU units. Source: RegisterTaskDefinition, `cpu`."""


def refuse(endpoint_url: str, call: Call) -> None:
    """
    Refuse a task definition that AWS refuses.

    Source: ECS RegisterTaskDefinition, and reports of its errors.
    """
    check_limits(call, call.parameters, "InvalidParameterException")
    if call.action == "RegisterTaskDefinition":
        reason = next(_reasons(endpoint_url, call.parameters), None)
        if reason is not None:
            raise AwsError("ClientException", reason)


def _reasons(endpoint_url: str, definition: dict[str, Any]) -> Iterator[str]:
    yield from _amount_reasons(definition)
    yield from _definition_reasons(definition)
    if "FARGATE" in definition.get("requiresCompatibilities", []):
        yield from _fargate_reasons(endpoint_url, definition)


def _amount_reasons(definition: dict[str, Any]) -> Iterator[str]:
    """Source: "Amazon ECS service quotas"; the error as quoted in awsdocs' ECS guide, #149."""
    text = json.dumps(definition, separators=(",", ":"), ensure_ascii=False)
    size = len(text.encode())
    if size > _LARGEST:
        yield f"Actual length: '{size}'. Max allowed length is '{_LARGEST}' bytes."
    if len(definition.get("containerDefinitions") or []) > _MOST_CONTAINERS:
        yield f"A task definition can have at most {_MOST_CONTAINERS} containers."


def patch_moto(patches: MotoPatches) -> None:
    """Write task definitions back as AWS does."""
    patches.replace(EC2ContainerServiceBackend, "register_task_definition", _register)


def _register(
    moto: Callable[..., Any],
    backend: Any,
    family: str,
    containers: list[dict[str, Any]],
    **settings: Any,
) -> Any:
    """
    Convert sizes to CPU units and MiB and fill in defaults, as AWS does; moto keeps them as given.

    A client that compares its task definition with the registered one depends on this.
    """
    for part, large_unit in (("cpu", "vcpu"), ("memory", "gb")):
        units = _units(settings.get(part) or "", large_unit)
        if units is not None:
            settings[part] = str(units)
    own_ports = settings.get("network_mode") in ("awsvpc", "host")
    full = [_with_defaults(container, own_ports) for container in containers]
    return moto(backend, family, full, **settings)


def _with_defaults(container: dict[str, Any], own_ports: bool) -> dict[str, Any]:
    mappings = container.get("portMappings", [])
    full = {
        "systemControls": [],
        **container,
        "portMappings": [_mapping_with_defaults(mapping, own_ports) for mapping in mappings],
    }
    if "logConfiguration" in container:
        full["logConfiguration"] = {"secretOptions": [], **container["logConfiguration"]}
    return full


def _mapping_with_defaults(mapping: dict[str, Any], own_ports: bool) -> dict[str, Any]:
    host_port = mapping.get("containerPort", 0) if own_ports else 0
    return {"hostPort": host_port, "protocol": "tcp", **mapping}


def _definition_reasons(definition: dict[str, Any]) -> Iterator[str]:
    if not _NAME.fullmatch(definition.get("family", "")):
        yield "Family contains invalid characters."
    containers = definition.get("containerDefinitions") or []
    if not containers:
        yield "Container list cannot be empty."
    yield from _name_reasons([container.get("name", "") for container in containers])
    if containers and not any(container.get("essential", True) for container in containers):
        yield "Task definition does not have any essential containers."
    for role in ("executionRoleArn", "taskRoleArn"):
        if role in definition and not _ROLE.fullmatch(definition[role]):
            yield "Role is not valid"
    for container in containers:
        yield from _container_reasons(definition, container)


def _name_reasons(names: list[str]) -> Iterator[str]:
    if not all(map(_NAME.fullmatch, names)):
        yield "Container.name contains invalid characters."
    if len(set(names)) < len(names):
        yield (
            "Container.name contains duplicate names: each container of a task definition needs "
            "its own."
        )


def _container_reasons(definition: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    name = container.get("name")
    if not container.get("image"):
        yield "Container.image should not be null or blank."
    if "memory" in container and container["memory"] < container.get("memoryReservation", 0):
        yield (
            f"Invalid setting for container '{name}'. 'memory' should be greater than "
            "'memoryReservation'."
        )
    if definition.get("networkMode") == "awsvpc":
        yield from _port_reasons(container.get("portMappings", []))
    if container.get("secrets") and not definition.get("executionRoleArn"):
        yield (
            "When you are specifying container secrets, you must also specify a value for "
            "'executionRoleArn'."
        )
    log = container.get("logConfiguration", {})
    if log.get("logDriver") == "awslogs":
        yield from _awslogs_reasons(log.get("options", {}))


def _port_reasons(mappings: list[dict[str, Any]]) -> Iterator[str]:
    for mapping in mappings:
        port = mapping.get("containerPort", 0)
        if mapping.get("hostPort", port) != port:
            yield (
                "When networkMode=awsvpc, the host ports and container ports in port mappings must "
                "match."
            )


def _awslogs_reasons(options: dict[str, str]) -> Iterator[str]:
    missing = [option for option in ("awslogs-region", "awslogs-group") if not options.get(option)]
    if missing:
        yield f"Log driver awslogs requires options: {', '.join(missing)}"


def _fargate_reasons(endpoint_url: str, definition: dict[str, Any]) -> Iterator[str]:
    if definition.get("networkMode") != "awsvpc":
        yield "Fargate only supports network mode ‘awsvpc’."  # noqa: RUF001 - AWS's own quotation marks
    yield from _size_reasons(definition)
    for container in definition["containerDefinitions"]:
        yield from _fargate_container_reasons(container)
    storage = definition.get("ephemeralStorage", {}).get("sizeInGiB", 21)
    if not 21 <= storage <= 200:
        yield f"EphemeralStorage size should be at {'least 21' if storage < 21 else 'most 200'}"
    if not definition.get("executionRoleArn"):
        yield from _role_reasons(endpoint_url, definition["containerDefinitions"])


def _fargate_container_reasons(container: dict[str, Any]) -> Iterator[str]:
    driver = _log_driver(container)
    if "logConfiguration" in container and driver not in _FARGATE_LOG_DRIVERS:
        yield (
            f"{driver} is not a valid log driver. Must be one of [{','.join(_FARGATE_LOG_DRIVERS)}]"
        )
    if container.get("stopTimeout", 0) > 120:
        yield (
            "Tasks using the Fargate launch type must have a container stop timeout of less "
            "than 120 seconds."
        )


def _role_reasons(endpoint_url: str, containers: list[dict[str, Any]]) -> Iterator[str]:
    """What needs an execution role."""
    if "awslogs" in map(_log_driver, containers):
        yield (
            "Fargate requires task definition to have execution role ARN to support log driver "
            "awslogs."
        )
    if any(_is_from_ecr(endpoint_url, container["image"]) for container in containers):
        yield "Fargate requires task definition to have execution role ARN to support ECR images."


def _log_driver(container: dict[str, Any]) -> str | None:
    driver: str | None = container.get("logConfiguration", {}).get("logDriver")
    return driver


def _size_reasons(definition: dict[str, Any]) -> Iterator[str]:
    for part in ("cpu", "memory"):
        if not definition.get(part):
            yield f"Fargate requires that '{part}' be defined at the task level."
    cpu = _units(definition.get("cpu", ""), "vcpu")
    memory = _units(definition.get("memory", ""), "gb")
    if cpu is None or memory not in _MEMORY_BY_CPU.get(cpu, ()):
        yield (
            f"No Fargate configuration exists for given values: {definition.get('cpu')} CPU, "
            f"{definition.get('memory')} memory. See the Amazon ECS documentation for the valid "
            "values."
        )
    for part, whole in (("cpu", cpu), ("memory", memory)):
        taken = sum(container.get(part, 0) for container in definition["containerDefinitions"])
        if whole is not None and taken > whole:
            yield (
                f"Invalid '{part}' setting for task. The containers together reserve {taken}, the "
                f"task has {whole}."
            )


def _units(text: str, large_unit: str) -> int | None:
    """`512`, `.5 vCPU` or `0.5GB` as CPU units or MiB; None for anything else."""
    found = re.fullmatch(rf"(\d*\.?\d+)\s*({large_unit})?", text.strip(), re.IGNORECASE)
    return int(float(found[1]) * (1024 if found[2] else 1)) if found else None


def _is_from_ecr(endpoint_url: str, image: str) -> bool:
    """Whether the image is in ECR: on one of AWS's hosts, or in this sandbox's registry."""
    if _ECR_HOST.match(image):
        return True
    repository = re.sub(r"@.*$|:[^/:]*$", "", image)
    pages = internal_client(endpoint_url, "ecr").get_paginator("describe_repositories").paginate()
    return repository in pages.search("repositories[].repositoryUri")
