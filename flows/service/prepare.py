"""
What a service needs before it can run: repository, image, log group, task role,
task definition.
"""

import asyncio
from dataclasses import dataclass

from config.service import ServiceConfig
from config.split import SplitConfig
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.cloudwatch.log_group import desired_log_group, ensure_log_group
from tasks.discovery import Discovered
from tasks.ecr.build import build_image, content_tag
from tasks.ecr.image import pin_image, push_image, read_digest
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
    config: SplitConfig, discovered: Discovered, service: ServiceConfig, owner: Owner
) -> Prepared:
    """
    Make everything that a service needs, and register what it runs; no user sees any of it.

    Raises:
        BuildFailed: The image cannot be built or pushed.
        ResourceConflict: A name is taken.
    """
    try:
        async with asyncio.TaskGroup() as group:
            image = group.create_task(_ensure_image(config, service, owner))
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
        image=image.result(),
        execution_role_arn=discovered.execution_role_arn,
        task_role_arn=role.result(),
    )
    return Prepared(image.result(), await ensure_task_definition(config.aws, definition))


async def _ensure_image(config: SplitConfig, service: ServiceConfig, owner: Owner) -> str:
    """
    The image's reference with its digest; built and pushed only when this
    content was never pushed.
    """
    if service.build is None:
        return await asyncio.to_thread(pin_image, config.aws, str(service.image))
    uri = await ensure_repository(config.aws, desired_repository(service, owner))
    tag = await asyncio.to_thread(content_tag, service.build, service.cpu_architecture)
    digest = await call(read_digest, config.aws, service.name, tag)
    if digest:
        return f"{uri}@{digest}"
    await build_image(config.docker_host, service, f"{uri}:{tag}")
    pushed = await push_image(config.aws, config.docker_host, service, uri, tag)
    return pushed.pinned
