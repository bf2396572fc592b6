"""
What a service needs before it can run: repository, image, log group, task role,
task definition.
"""

import asyncio
from dataclasses import dataclass

from config.errors import BuildFailed
from config.service import Build, ServiceConfig
from config.split import SplitConfig
from flows.record.outcome import ServiceOutcome
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.cloudwatch.log_group import desired_log_group, ensure_log_group
from tasks.discovery import Discovered
from tasks.ecr.build import build_image, content_tag, is_tag_of
from tasks.ecr.image import push_image, read_digest
from tasks.ecr.repository import desired_repository, ensure_repository
from tasks.ecs.task_definition import desired_task_definition, ensure_task_definition
from tasks.elbv2.target_group import TargetHealth
from tasks.iam.task_role import desired_task_role, ensure_task_role

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """What a service runs."""

    image: str
    """Reference of its image, with the digest."""
    task_definition: str
    """ARN of the revision."""

    def outcome(
        self, stage: str, *, weight: int, health: TargetHealth | None = None
    ) -> ServiceOutcome:
        """The service's outcome at a stage."""
        return ServiceOutcome.of(
            stage,
            weight=weight,
            health=health,
            image=self.image,
            task_definition=self.task_definition,
        )


async def prepare(
    config: SplitConfig,
    discovered: Discovered,
    service: ServiceConfig,
    owner: Owner,
    image: str,
) -> Prepared:
    """
    Create everything that a service needs, and register its task definition; no user is affected.

    Args:
        config: The split.
        discovered: What the split only reads.
        service: The service.
        owner: Owner of what is created.
        image: As planned: content tag of the image to build, or reference of a ready one.

    Raises:
        BuildFailed: The image cannot be built or pushed, or its sources changed after the plan.
        ResourceConflict: A name is taken.
    """
    reference, task_role = await _ensure_parts(config, service, owner, image)
    definition = desired_task_definition(
        service,
        owner,
        region=config.aws.region,
        image=reference,
        execution_role_arn=discovered.execution_role_arn,
        task_role_arn=task_role,
    )
    revision = await ensure_task_definition(config.aws, definition)
    return Prepared(image=reference, task_definition=revision)


async def _ensure_parts(
    config: SplitConfig, service: ServiceConfig, owner: Owner, image: str
) -> tuple[str, str]:
    """Image, task role and log group side by side; returns image reference and role ARN."""
    desired_role = desired_task_role(service, owner)
    desired_logs = desired_log_group(service, owner)
    try:
        async with asyncio.TaskGroup() as group:
            reference = group.create_task(_ensure_image(config, service, owner, image))
            role = group.create_task(ensure_task_role(config.aws, desired_role))
            group.create_task(ensure_log_group(config.aws, desired_logs))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return reference.result(), role.result()


async def _ensure_image(
    config: SplitConfig, service: ServiceConfig, owner: Owner, image: str
) -> str:
    """The image's reference with its digest; built and pushed only if its tag is not there yet."""
    if service.build is None:
        return image
    uri = await ensure_repository(config.aws, desired_repository(service, owner))
    digest = await call(read_digest, config.aws, service.name, image)
    if digest:
        return f"{uri}@{digest}"
    await build_image(config.docker_host, service, f"{uri}:{image}")
    await _refuse_changed_sources(config, service, service.build, image)
    pushed = await push_image(config.aws, config.docker_host, service, uri, image)
    return pushed.pinned


async def _refuse_changed_sources(
    config: SplitConfig, service: ServiceConfig, build: Build, planned: str
) -> None:
    """
    Refuse to push an image under a tag that is not its content's; after the build, because the
    files may change while the engine reads them.

    Raises:
        BuildFailed: The files changed after the plan was made, or are others on this worker.
    """
    tag = await asyncio.to_thread(content_tag, build, service.cpu_architecture)
    if not is_tag_of(planned, tag):
        place = f"services[{config.services.index(service)}].build"
        raise BuildFailed(
            f"{place}: the files in {build.context} changed after the plan was made; run again"
        )
