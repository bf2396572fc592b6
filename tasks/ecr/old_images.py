"""Old images of a service's repository: which are unused, and their deletion."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from config.aws import AwsConfig
from config.errors import StepFailed
from tasks.aws.clients import client
from tasks.aws.parts import parts
from tasks.aws.task import aws_task
from tasks.ecs.in_use import InUse, images_of
from tasks.ecs.revisions import read_revisions
from tasks.ecs.task_definition import read_task_definition

__all__ = ["PushedImage", "choose_old_images", "prune_images", "read_images"]

_CONTENT_TAG: Final = re.compile(r"c-[0-9a-f]{16}(-[0-9a-f]{8})?")
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
        Whether every tag is one of `tasks.ecr.build.tag_with_bases`.

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
    built_here = [image for image in images if image.is_built_here]
    others = [image for image in built_here if image.digest not in in_use]

    def by_worth(image: PushedImage) -> tuple[bool, datetime]:
        return image.digest in kept, image.pushed

    return sorted(others, key=by_worth, reverse=True)[keep:]


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
    images = read_images(aws, repository)
    running = {image.digest for image in images if in_use.has_image(uri, image.digest, image.tags)}
    revisions = read_revisions(aws, family)
    named = _named_by(aws, [*revisions, *needed], uri)
    # The newest revision is what the next run compares with, and may roll out again.
    running.update(*(named[arn] for arn in (*revisions[:1], *needed)))
    kept = set[str]().union(*named.values())
    old = [image.digest for image in choose_old_images(images, running, kept, keep)]
    _delete_images(aws, repository, old)
    return old


def read_images(aws: AwsConfig, repository: str) -> list[PushedImage]:
    """
    Describe all images of a repository; none when there is no such repository.

    Source: ECR DescribeImages.
    """
    ecr = client(aws, "ecr")
    pages = ecr.get_paginator("describe_images").paginate(repositoryName=repository)
    try:
        found = pages.build_full_result()["imageDetails"]
    except ecr.exceptions.RepositoryNotFoundException:
        return []
    return [_pushed_image(image) for image in found]


def _pushed_image(found: Any) -> PushedImage:
    """Make an image of ECR's description."""
    return PushedImage(
        digest=found["imageDigest"],
        tags=tuple(found.get("imageTags", ())),
        pushed=found["imagePushedAt"],
    )


def _delete_images(aws: AwsConfig, repository: str, digests: Sequence[str]) -> None:
    """Delete images by their digests."""
    ecr = client(aws, "ecr")
    for part in parts(digests, _PER_CALL):
        ids: Any = [{"imageDigest": digest} for digest in part]
        deleted = ecr.batch_delete_image(repositoryName=repository, imageIds=ids)
        if deleted["failures"]:
            reasons = "; ".join(map(_failure, deleted["failures"]))
            raise StepFailed(f"ECR repository {repository}: old images are not deleted: {reasons}")


def _failure(failure: Any) -> str:
    """Why ECR did not delete an image."""
    digest = failure["imageId"]["imageDigest"]
    return f"{digest}: {failure['failureReason']}"


def _named_by(aws: AwsConfig, revisions: Sequence[str], uri: str) -> dict[str, set[str]]:
    """Digests of the repository's images by the revision that names them."""
    named = {}
    for arn in dict.fromkeys(revisions):
        named[arn] = set[str]()
        definition = read_task_definition(aws, arn)
        for image in images_of(definition) if definition else ():
            reference, _, digest = image.partition("@")
            if reference == uri and digest:
                named[arn].add(digest)
    return named
