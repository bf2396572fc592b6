"""Ready images: the reference with the digest in place of the tag, which no later push changes."""

from dataclasses import dataclass
from typing import Final

import botocore.exceptions

from config.aws import AwsConfig
from config.errors import PreflightFailed
from tasks.aws.clients import client
from tasks.aws.explain import why_refused
from tasks.ecr.image import read_digest
from tasks.ecr.reference import ImageReference, InvalidReference, read_reference
from tasks.ecr.registry import ImageMissing, RegistryUnavailable, read_manifest_digest

__all__ = ["PinnedImage", "ecr_of", "parse_image", "pin_image"]

_SHORTEST_NAME: Final = 2
"""Characters of a repository's name in ECR."""


@dataclass(frozen=True)
class PinnedImage:
    """The reference that a task definition gets."""

    reference: str
    note: str | None = None
    """What a person has to know of it, with the remedy; None when there is nothing."""
    reason: str = ""
    """Why its registry does not name the digest."""


def parse_image(image: str) -> ImageReference:
    """
    Read the reference of a ready image.

    Raises:
        PreflightFailed: It is not one.
    """
    try:
        return read_reference(image)
    except InvalidReference as error:
        raise PreflightFailed(f"image: {image!r}: {error}") from None


def pin_image(aws: AwsConfig, image: str) -> PinnedImage:
    """
    Replace a ready image's tag with its digest, where the registry names it.

    Raises:
        PreflightFailed: It is no image reference, or the registry does not have it.

    Source: ECR DescribeRepositories, DescribeImages; OCI distribution specification.
    """
    reference = parse_image(image)
    if reference.pinned:
        return PinnedImage(image)
    ecr = ecr_of(aws, reference)
    try:
        digest = _digest_in_ecr(ecr, reference) if ecr else read_manifest_digest(reference)
    except ImageMissing as error:
        raise PreflightFailed(
            f"image: {image} {error}; push it, or name a tag that is there"
        ) from None
    except RegistryUnavailable as error:
        return PinnedImage(image, _why_not_pinned(image, error), str(error))
    return PinnedImage(reference.pin(digest))


def _why_not_pinned(image: str, reason: Exception) -> str:
    """The note about an image that stays as it is."""
    return (
        f"image: {image} is not pinned by digest, so a later push can change what the tasks run: "
        f"{reason}; name it as repository@sha256:… to pin it"
    )


@dataclass(frozen=True)
class EcrRegistry:
    """A private registry of ECR."""

    aws: AwsConfig
    """Where it is: a registry may be in another region."""
    account: str | None
    """Whose it is; None for the account of the credentials."""


def ecr_of(aws: AwsConfig, reference: ImageReference) -> EcrRegistry | None:
    """
    The ECR registry that an image is in; None when it is in another kind of registry.

    Source: ECR DescribeRepositories, for a host name that ECR's endpoint gave its registry.
    """
    if reference.ecr:
        account, region = reference.ecr
        return EcrRegistry(aws.model_copy(update={"region": region}), account)
    host = reference.registry
    if "/" not in reference.name or len(reference.repository) < _SHORTEST_NAME:
        return None
    own = _read_uri(aws, reference.repository) == f"{host}/{reference.repository}"
    return EcrRegistry(aws, None) if own else None


def _read_uri(aws: AwsConfig, repository: str) -> str | None:
    """The URI of a repository; None when ECR does not have it."""
    ecr = client(aws, "ecr")
    try:
        found = ecr.describe_repositories(repositoryNames=[repository])
    except (ecr.exceptions.RepositoryNotFoundException, ecr.exceptions.InvalidParameterException):
        return None
    return found["repositories"][0]["repositoryUri"]


def _digest_in_ecr(ecr: EcrRegistry, reference: ImageReference) -> str:
    """
    The digest of a tag in ECR.

    Raises:
        ImageMissing: The repository does not have the tag.
        RegistryUnavailable: There is no such repository, or the credentials may not read it.
    """
    repository = reference.repository
    where = f"ECR of account {ecr.account} in {ecr.aws.region}"
    try:
        digest = read_digest(ecr.aws, repository, reference.tag, account=ecr.account, required=True)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "RepositoryNotFoundException":
            raise RegistryUnavailable(
                f"{where} has no repository {repository}, unless a pull-through cache makes it"
            ) from None
        refusal = why_refused(error)
        if refusal is None:
            raise
        raise RegistryUnavailable(f"{where}: {refusal.removeprefix('aws: ')}") from None
    if digest is None:
        raise ImageMissing("is not in ECR")
    return digest
