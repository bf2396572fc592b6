"""ECR repository: immutable tags, scan on push."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.aws.change import Change, Update, refuse_conflict
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import Owner, tag_dict, tag_list
from tasks.aws.task import aws_task

__all__ = [
    "Repository",
    "compare_repository",
    "delete_repository",
    "desired_repository",
    "ensure_repository",
    "read_repository",
]


@dataclass(frozen=True)
class Repository:
    """The desired repository of one service's images."""

    name: str
    owner: Owner

    @property
    def fields(self) -> dict[str, Any]:
        """The desired settings, as ECR names them."""
        return {
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "tags": self.owner.tags,
        }


@dataclass(frozen=True)
class ObservedRepository:
    """The repository as ECR describes it."""

    arn: str
    uri: str
    fields: dict[str, Any]


def desired_repository(service: ServiceConfig, owner: Owner) -> Repository:
    """The repository that the service's images are pushed to."""
    return Repository(name=service.name, owner=owner)


def read_repository(aws: AwsConfig, name: str) -> ObservedRepository | None:
    """
    Describe the repository.

    Source: ECR DescribeRepositories, ListTagsForResource.
    """
    ecr = client(aws, "ecr")
    try:
        found = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    except ecr.exceptions.RepositoryNotFoundException:
        return None
    arn = found["repositoryArn"]
    scans = found["imageScanningConfiguration"].get("scanOnPush", False)
    fields = {
        "imageTagMutability": found["imageTagMutability"],
        "imageScanningConfiguration": {"scanOnPush": scans},
        "tags": tag_dict(ecr.list_tags_for_resource(resourceArn=arn)["tags"]),
    }
    return ObservedRepository(arn, found["repositoryUri"], fields)


def compare_repository(desired: Repository, observed: ObservedRepository | None) -> Change:
    """What has to happen to the repository."""
    current = observed.fields if observed else None
    return desired.owner.compare("ECR repository", desired.name, desired.fields, current)


@aws_task("ensure ECR repository {desired.name}")
def ensure_repository(aws: AwsConfig, desired: Repository) -> str:
    """
    Create the repository, or update the existing one.

    Returns:
        The repository URI.

    Source: ECR CreateRepository, PutImageTagMutability, PutImageScanningConfiguration, TagResource.
    """
    observed = read_repository(aws, desired.name)
    change = compare_repository(desired, observed)
    refuse_conflict(change)
    if observed is None:
        return _create(aws, desired)
    if isinstance(change, Update):
        _update(aws, desired, change.fields)
        if "tags" in change.fields:
            _tag(aws, desired, observed)
    return observed.uri


def _create(aws: AwsConfig, desired: Repository) -> str:
    """Create the repository, and return its URI."""
    made = client(aws, "ecr").create_repository(
        repositoryName=desired.name,
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        tags=tag_list(desired.owner.tags),
    )
    return made["repository"]["repositoryUri"]


def _update(aws: AwsConfig, desired: Repository, changed: Collection[str]) -> None:
    """Update the fields that differ, except for the tags."""
    if "imageTagMutability" in changed:
        _make_immutable(aws, desired.name)
    if "imageScanningConfiguration" in changed:
        _scan_on_push(aws, desired.name)


def _make_immutable(aws: AwsConfig, name: str) -> None:
    """Let no push replace the image of a tag."""
    client(aws, "ecr").put_image_tag_mutability(
        repositoryName=name,
        imageTagMutability="IMMUTABLE",
    )


def _scan_on_push(aws: AwsConfig, name: str) -> None:
    """Let ECR scan each image when it is pushed."""
    client(aws, "ecr").put_image_scanning_configuration(
        repositoryName=name,
        imageScanningConfiguration={"scanOnPush": True},
    )


def _tag(aws: AwsConfig, desired: Repository, observed: ObservedRepository) -> None:
    """Put the owner's tags on an existing repository."""
    tags = desired.owner.tags_over(observed.fields["tags"])
    client(aws, "ecr").tag_resource(resourceArn=observed.arn, tags=tag_list(tags))


@aws_task("delete ECR repository {name}")
def delete_repository(aws: AwsConfig, name: str, owner: Owner) -> None:
    """
    Delete the repository with its images if this split made it.

    Source: ECR DeleteRepository.
    """
    ecr = client(aws, "ecr")
    observed = read_repository(aws, name)
    if observed is None or not owner.made(observed.fields["tags"]):
        return
    try:
        ecr.delete_repository(repositoryName=name, force=True)
    except ecr.exceptions.RepositoryNotFoundException:
        log().info("ECR repository %s was already deleted", name)
