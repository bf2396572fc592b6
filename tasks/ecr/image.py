"""Old images of a service's repository: which of them nothing needs, and their end."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.aws import AwsConfig
from config.errors import StepFailed
from tasks.aws.clients import client
from tasks.aws.task import aws_task
from tasks.ecs.in_use import InUse, images_of
from tasks.ecs.revisions import read_revisions
from tasks.ecs.task_definition import read_task_definition

__all__ = ["PushedImage", "choose_old_images", "prune_images", "read_pushed_at"]

_OURS: Final = re.compile(r"c-[0-9a-f]{16}")
_PER_CALL: Final = 100


@dataclass(frozen=True)
class PushedImage:
    """One image of a repository."""

    digest: str
    tags: tuple[str, ...]
    pushed: datetime

    @property
    def is_ours(self) -> bool:
        """
        Whether every tag is one of `tasks.ecr.build.content_tag`; an image without tags may be part
        of another.
        """
        return bool(self.tags) and all(_OURS.fullmatch(tag) for tag in self.tags)


def choose_old_images(
    images: Sequence[PushedImage], in_use: Collection[str], kept: Collection[str], keep: int
) -> list[PushedImage]:
    """
    The images that may go.

    Args:
        images: All images of the repository.
        in_use: Digests that stay whatever their age.
        kept: Digests that revisions name which stay as well; they are the first to fill `keep`.
        keep: How many images stay beside those in use.
    """
    others = [image for image in images if image.is_ours and image.digest not in in_use]
    by_worth = sorted(others, key=lambda image: (image.digest in kept, image.pushed), reverse=True)
    return by_worth[keep:]


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
        repository: Name of the repository; it is this split's.
        uri: Its URI.
        family: Family of the task definition whose active revisions name its images.
        in_use: What ECS runs.
        needed: ARNs of further revisions whose images stay in any case.
        keep: How many images stay beside those.

    Returns:
        Digests of those that are gone.

    Raises:
        StepFailed: ECR kept some.

    Source: ECR DescribeImages, BatchDeleteImage; ECS ListTaskDefinitions, DescribeTaskDefinition.
    """
    images = _read_images(aws, repository)
    revisions = read_revisions(aws, family)
    named = _named_by(aws, [*revisions, *needed], uri)
    running = {image.digest for image in images if in_use.has_image(uri, image.digest, image.tags)}
    # The newest revision is what the next run compares with, and what it may roll out again.
    running |= {digest for arn in (*revisions[:1], *needed) for digest in named[arn]}
    kept = {digest for digests in named.values() for digest in digests}
    old = [image.digest for image in choose_old_images(images, running, kept, keep)]
    for start in range(0, len(old), _PER_CALL):
        chunk = [{"imageDigest": digest} for digest in old[start : start + _PER_CALL]]
        answer = client(aws, "ecr").batch_delete_image(repositoryName=repository, imageIds=chunk)  # type: ignore[arg-type]
        failures = [
            f"{item['imageId']['imageDigest']}: {item['failureReason']}"
            for item in answer["failures"]
        ]
        if failures:
            raise StepFailed(
                f"ECR repository {repository}: old images are not deleted: {'; '.join(failures)}"
            )
    return old


def _read_images(aws: AwsConfig, repository: str) -> list[PushedImage]:
    pages = client(aws, "ecr").get_paginator("describe_images").paginate(repositoryName=repository)
    return [
        PushedImage(item["imageDigest"], tuple(item.get("imageTags", ())), item["imagePushedAt"])
        for page in pages
        for item in page["imageDetails"]
    ]


def _named_by(aws: AwsConfig, revisions: Sequence[str], uri: str) -> dict[str, frozenset[str]]:
    """Digests of the repository's images by the revision that names them."""
    named = {}
    for arn in dict.fromkeys(revisions):
        definition = read_task_definition(aws, arn)
        references = images_of(definition) if definition else frozenset()
        named[arn] = frozenset(
            image.partition("@")[2] for image in references if image.startswith(f"{uri}@")
        )
    return named


def read_pushed_at(aws: AwsConfig, image: str) -> datetime | None:
    """
    When an image was pushed; None where ECR does not know it.

    Args:
        aws: Where AWS is.
        image: `registry/repository@sha256:…`.

    Source: ECR DescribeImages.
    """
    reference, _, digest = image.partition("@")
    repository = reference.partition("/")[2]
    if not digest or not repository:
        return None
    ecr = client(aws, "ecr")
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])[
            "imageDetails"
        ]
    except (
        ecr.exceptions.ImageNotFoundException,
        ecr.exceptions.RepositoryNotFoundException,
        ecr.exceptions.InvalidParameterException,
    ):
        return None
    return found[0]["imagePushedAt"] if found else None
