"""The images of a repository, read and written through the ECR API: what is deleted is gone."""

from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from sandbox.api.internal import internal_client

__all__ = ["Images", "Manifest", "RepositoryMissing", "TagTaken"]


class RepositoryMissing(Exception):
    """Raised when ECR does not have the repository; the message is ECR's."""


class TagTaken(Exception):
    """Raised when the tag is immutable and names another image; the message is ECR's."""


@dataclass(frozen=True)
class Manifest:
    """An image's manifest."""

    text: str
    media_type: str
    digest: str


class Images:
    """Reads and writes images through the ECR API."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url

    @property
    def _ecr(self) -> Any:
        return internal_client(self._endpoint_url, "ecr")

    def check_repository(self, repository: str) -> None:
        """
        Refuse a repository that ECR does not have.

        Raises:
            RepositoryMissing: ECR does not have it.
        """
        try:
            self._ecr.describe_repositories(repositoryNames=[repository])
        except ClientError as error:
            raise _translated(error) from None

    def read(self, repository: str, reference: str) -> Manifest | None:
        """The manifest of a tag or digest; None when ECR does not have it."""
        key = "imageDigest" if reference.startswith("sha256:") else "imageTag"
        wanted = [{key: reference}]
        try:
            answer = self._ecr.batch_get_image(repositoryName=repository, imageIds=wanted)
        except ClientError as error:
            raise _translated(error) from None
        for image in answer["images"]:
            return Manifest(
                text=image["imageManifest"],
                media_type=image["imageManifestMediaType"],
                digest=image["imageId"]["imageDigest"],
            )
        return None

    def write(self, repository: str, tag: str | None, manifest: Manifest) -> None:
        """
        Put the image; an existing one stays as it is.

        Raises:
            RepositoryMissing: ECR does not have the repository.
            TagTaken: The tag is immutable and names another image.
        """
        tagged = {"imageTag": tag} if tag else {}
        try:
            self._ecr.put_image(
                repositoryName=repository,
                imageManifest=manifest.text,
                imageManifestMediaType=manifest.media_type,
                imageDigest=manifest.digest,
                **tagged,
            )
        except self._ecr.exceptions.ImageAlreadyExistsException:
            return
        except ClientError as error:
            raise _translated(error) from None

    def tags(self, repository: str) -> list[str]:
        """Every tag of the repository, sorted."""
        pages = self._ecr.get_paginator("list_images").paginate(repositoryName=repository)
        try:
            return sorted(filter(None, pages.search("imageIds[].imageTag")))
        except ClientError as error:
            raise _translated(error) from None


def _translated(error: ClientError) -> Exception:
    kind = _KINDS.get(error.response["Error"]["Code"])
    return kind(error.response["Error"]["Message"]) if kind else error


_KINDS: Final[dict[str, type[Exception]]] = {
    "RepositoryNotFoundException": RepositoryMissing,
    "ImageTagAlreadyExistsException": TagTaken,
}
