"""Old images of a service's repository: which are unused, and their deletion."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from config.aws import AwsConfig
from config.errors import StepFailed
from tasks.aws.clients import client
from tasks.aws.task import aws_task
from tasks.ecs.in_use import InUse, images_of
from tasks.ecs.revisions import read_revisions
from tasks.ecs.task_definition import read_task_definition

__all__ = ["PushedImage", "choose_old_images", "prune_images"]

_CONTENT_TAG: Final = re.compile(r"c-[0-9a-f]{16}")
_PER_CALL: Final = 100


@dataclass(frozen=True)
class PushedImage:
    """One image of a repository."""

    digest: str
    tags: tuple[str, ...]
    pushed: datetime

    @property
    def is_built_here(self) -> bool:
        """
        Whether every tag is one of `tasks.ecr.build.content_tag`.

        An image without tags may be part of another, so it is not.
        """
        return bool(self.tags) and all(_CONTENT_TAG.fullmatch(tag) for tag in self.tags)


def choose_old_images(
    images: Sequence[PushedImage], in_use: Collection[str], kept: Collection[str], keep: int
) -> list[PushedImage]:
    """
    Choose the images to delete.

    Args:
        images: All images of the repository.
        in_use: Digests that stay whatever their age.
        kept: Digests named by revisions that stay; they are the first to fill `keep`.
        keep: How many images stay beside those in use.
    """
    others = [image for image in images if image.is_built_here and image.digest not in in_use]
    others.sort(key=lambda image: (image.digest in kept, image.pushed), reverse=True)
    return others[keep:]


@aws_task("prune images of {repository}")
def prune_images(
    aws: AwsConfig,
    repository: str,
    uri: str,
    family: str,
    in_use: InUse,
    needed: frozenset[str],
    keep: int,
) -> list[str]:
    """
    Delete old images that this tool pushed.

    Args:
        aws: Where AWS is.
        repository: Name of the repository, which is this split's.
        uri: Its URI.
        family: Family of the task definition whose active revisions name its images.
        in_use: What ECS runs.
        needed: ARNs of further revisions whose images stay in any case.
        keep: How many images stay beside those.

    Returns:
        Digests of the deleted images.

    Raises:
        StepFailed: ECR kept some.

    Source: ECR DescribeImages, BatchDeleteImage; ECS ListTaskDefinitions, DescribeTaskDefinition.
    """
    images = _read_images(aws, repository)
    running = {image.digest for image in images if in_use.has_image(uri, image.digest, image.tags)}
    revisions = read_revisions(aws, family)
    named = _named_by(aws, [*revisions, *needed], uri)
    # The newest revision is what the next run compares with, and may roll out again.
    running.update(*(named[arn] for arn in (*revisions[:1], *needed)))
    kept = set[str]().union(*named.values())
    old = [image.digest for image in choose_old_images(images, running, kept, keep)]
    _delete_images(aws, repository, old)
    return old


def _read_images(aws: AwsConfig, repository: str) -> list[PushedImage]:
    pages = client(aws, "ecr").get_paginator("describe_images").paginate(repositoryName=repository)
    found: list[Any] = []
    for page in pages:
        found += page["imageDetails"]
    return [
        PushedImage(item["imageDigest"], tuple(item.get("imageTags", ())), item["imagePushedAt"])
        for item in found
    ]


def _delete_images(aws: AwsConfig, repository: str, digests: Sequence[str]) -> None:
    ecr = client(aws, "ecr")
    for start in range(0, len(digests), _PER_CALL):
        ids: Any = [{"imageDigest": digest} for digest in digests[start : start + _PER_CALL]]
        failures = ecr.batch_delete_image(repositoryName=repository, imageIds=ids)["failures"]
        if failures:
            reasons = "; ".join(map(_failure, failures))
            raise StepFailed(f"ECR repository {repository}: old images are not deleted: {reasons}")


def _failure(failure: Any) -> str:
    return f"{failure['imageId']['imageDigest']}: {failure['failureReason']}"


def _named_by(aws: AwsConfig, revisions: Sequence[str], uri: str) -> dict[str, set[str]]:
    """Digests of the repository's images by the revision that names them."""
    named = {}
    for arn in dict.fromkeys(revisions):
        definition = read_task_definition(aws, arn)
        images = images_of(definition) if definition else ()
        references = [image.partition("@") for image in images]
        named[arn] = {digest for name, _, digest in references if name == uri and digest}
    return named
