"""
Deletes what redeploys leave behind: images and revisions that nothing uses, beyond the number that
is kept.
"""

from collections.abc import Mapping, Sequence

from config.errors import StepFailed
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.change import ServicePlan
from flows.plan.owner import owner_of
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
    Delete unused images and revisions of the services; what runs anywhere in the region stays.

    Args:
        config: The split; `keep_images` is how many stay beside those in use.
        before: The services as they were before the rollout: what ran then stays, to go back to.
        uris: URI of its repository by service.

    Raises:
        StepFailed: ECR did not delete an image.
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
    needed = _needed_revisions(plan)
    revisions = await prune_revisions(
        config.aws,
        service.family,
        owner_of(config, service),
        in_use.task_definitions | needed,
        config.keep_images,
    )
    images: list[str] = []
    if service.build and uri:
        images = await prune_images(
            config.aws, service.name, uri, service.family, in_use, needed, config.keep_images
        )
    _emit_pruned(service, revisions, images)


def _needed_revisions(plan: ServicePlan) -> frozenset[str]:
    service = plan.state.service or {}
    ran_before = good_revision(service)
    if ran_before is None:
        return frozenset()
    return frozenset({ran_before})


def _emit_pruned(service: ServiceConfig, revisions: Sequence[str], images: Sequence[str]) -> None:
    if revisions or images:
        names = [_label(arn) for arn in revisions]
        shown = ", ".join(names) or "no revision"
        text = f"pruned: {shown}; {len(images)} old images"
        numbers = {"revisions": names, "images": len(images)}
        emit("note", service.name, text, numbers=numbers)
    for digest in images:
        log().info("deleted image %s@%s", service.name, digest)


def _label(revision_arn: str) -> str:
    """Family and number."""
    _, _, label = revision_arn.rpartition("/")
    return label
