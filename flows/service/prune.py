"""
Ends what redeploys leave behind: images and revisions that nothing uses, beyond the number that is
kept.
"""

from collections.abc import Mapping, Sequence

from config.errors import StepFailed
from config.split import SplitConfig
from flows.plan.owner import owner_of
from flows.plan.split import ServicePlan
from flows.record.events import emit
from flows.service.rolling_update import good_revision
from tasks.aws.task import log
from tasks.ecr.old_images import prune_images
from tasks.ecs.in_use import InUse, read_in_use
from tasks.ecs.revisions import prune_revisions

__all__ = ["prune"]


async def prune(
    config: SplitConfig, before: Sequence[ServicePlan], uris: Mapping[str, str]
) -> None:
    """
    Prune what the services do not need any more; everything that runs anywhere in the region stays.

    Args:
        config: The split; `keep_images` says how many stay beside those in use.
        before: The services as they were before they were rolled out: what ran then is what a
            person goes back to.
        uris: URI of its repository by service.

    Raises:
        StepFailed: ECR kept an image.
    """
    if not before:
        return
    in_use = await read_in_use(config.aws)
    failures = []
    for plan in before:
        try:
            await _prune_service(config, plan, in_use, uris.get(plan.service))
        except StepFailed as error:
            failures.append(str(error))
    if failures:
        raise StepFailed("\n".join(failures))


async def _prune_service(
    config: SplitConfig, plan: ServicePlan, in_use: InUse, uri: str | None
) -> None:
    service = config.service(plan.service)
    was = good_revision(plan.state.service or {})
    needed = frozenset({was} if was else ())
    keep, owner = config.keep_images, owner_of(config, service)
    revisions = await prune_revisions(
        config.aws, service.family, owner, in_use.task_definitions | needed, keep
    )
    images: list[str] = []
    if service.build and uri:
        images = await prune_images(
            config.aws, service.name, uri, service.family, in_use, needed, keep
        )
    if revisions or images:
        gone = ", ".join(arn.rpartition("/")[2] for arn in revisions) or "no revision"
        emit("note", service.name, f"pruned: {gone}; {len(images)} old images")
    for digest in images:
        log().info("deleted image %s@%s", service.name, digest)
