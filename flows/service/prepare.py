"""
What a service needs before it can run: repository, image, log group, task role,
task definition.
"""

import asyncio
from dataclasses import dataclass

from config.errors import BuildFailed
from config.service import Build, ServiceConfig
from config.split import SplitConfig
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.cloudwatch.log_group import desired_log_group, ensure_log_group
from tasks.discovery import Discovered
from tasks.ecr.build import build_image, content_tag, push_image, read_digest
from tasks.ecr.repository import desired_repository, ensure_repository
from tasks.ecs.task_definition import desired_task_definition, ensure_task_definition
from tasks.iam.task_role import desired_task_role, ensure_task_role

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """What a service runs."""

    image: str
    """Reference of its image, with the digest."""
    task_definition: str
    """ARN of the revision."""


async def prepare(
    config: SplitConfig,
    discovered: Discovered,
    service: ServiceConfig,
    owner: Owner,
    image: str,
) -> Prepared:
    """
    Make everything that a service needs, and register what it runs; no user sees any of it.

    Args:
        config: The split.
        discovered: What is only read.
        service: The service.
        owner: Whose it is.
        image: As planned: content tag of the image to build, or reference of a ready one.

    Raises:
        BuildFailed: The image cannot be built or pushed, or its sources are not as planned.
        ResourceConflict: A name is taken.
    """
    try:
        async with asyncio.TaskGroup() as group:
            reference = group.create_task(_ensure_image(config, service, owner, image))
            role = group.create_task(
                ensure_task_role(config.aws, desired_task_role(service, owner))
            )
            group.create_task(ensure_log_group(config.aws, desired_log_group(service, owner)))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    definition = desired_task_definition(
        service,
        owner,
        region=config.aws.region,
        image=reference.result(),
        execution_role_arn=discovered.execution_role_arn,
        task_role_arn=role.result(),
    )
    return Prepared(reference.result(), await ensure_task_definition(config.aws, definition))


async def _ensure_image(
    config: SplitConfig, service: ServiceConfig, owner: Owner, planned: str
) -> str:
    """The image's reference with its digest; built and pushed only when it was never pushed."""
    if service.build is None:
        return planned
    uri = await ensure_repository(config.aws, desired_repository(service, owner))
    digest = await call(read_digest, config.aws, service.name, planned)
    if digest:
        return f"{uri}@{digest}"
    await build_image(config.docker_host, service, f"{uri}:{planned}")
    await _check_sources(service, service.build, planned)
    pushed = await push_image(config.aws, config.docker_host, service, uri, planned)
    return pushed.pinned


async def _check_sources(service: ServiceConfig, build: Build, planned: str) -> None:
    """
    See that an image was built from the planned content, before it is pushed under its tag.

    Raises:
        BuildFailed: The build context was edited after the plan, or differs on this worker.
    """
    built = await asyncio.to_thread(content_tag, build, service.cpu_architecture)
    if built != planned:
        raise BuildFailed(
            f"image of {service.name}: {build.context} is not as planned (planned {planned}, "
            f"built {built}); nothing was pushed, run again"
        )
