"""
Which images ECR holds: it is moto's ECR that knows, so that whatever is deleted there cannot be
pulled.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError
from moto.ecr.models import Image, Repository, ecr_backends

from sandbox.api.internal import ACCOUNT, REGION, internal_client
from sandbox.api.server import AwsError

__all__ = [
    "ImageStored",
    "Images",
    "Manifest",
    "RepositoryMissing",
    "TagTaken",
    "own_uris",
    "put_image",
]


class RepositoryMissing(Exception):
    """Raised when ECR does not have the repository, in ECR's words."""


class TagTaken(Exception):
    """Raised when the tag is immutable and names another image, in ECR's words."""


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
        See that ECR has the repository.

        Raises:
            RepositoryMissing: It does not.
        """
        try:
            self._ecr.describe_repositories(repositoryNames=[repository])
        except ClientError as error:
            raise _translated(error) from None

    def read(self, repository: str, reference: str) -> Manifest | None:
        """The manifest of a tag or digest, None when ECR does not have it."""
        key = "imageDigest" if reference.startswith("sha256:") else "imageTag"
        try:
            found = self._ecr.batch_get_image(
                repositoryName=repository, imageIds=[{key: reference}]
            )["images"]
        except ClientError as error:
            raise _translated(error) from None
        if not found:
            return None
        image = found[0]
        return Manifest(
            image["imageManifest"], image["imageManifestMediaType"], image["imageId"]["imageDigest"]
        )

    def write(self, repository: str, tag: str | None, manifest: Manifest) -> None:
        """
        Put the image; one that is there already stays as it is.

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
        try:
            pages = self._ecr.get_paginator("list_images").paginate(repositoryName=repository)
            return sorted(
                image["imageTag"]
                for page in pages
                for image in page["imageIds"]
                if image.get("imageTag")
            )
        except ClientError as error:
            raise _translated(error) from None


def _translated(error: ClientError) -> Exception:
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    kinds: dict[str, type[Exception]] = {
        "RepositoryNotFoundException": RepositoryMissing,
        "ImageTagAlreadyExistsException": TagTaken,
    }
    return kinds[code](message) if code in kinds else error


class ImageStored(Image):
    """An image whose size is that of its layers; moto says the size of its configuration."""

    def get_image_size_in_bytes(self) -> int | None:
        """Sum of the layers and the configuration in bytes, None for an index."""
        manifest = json.loads(self.image_manifest)
        if "layers" not in manifest:
            return None
        parts = [*manifest["layers"], manifest.get("config", {})]
        return sum(int(part.get("size", 0)) for part in parts)


_IMMUTABLE: Final = "IMMUTABLE"


def put_image(parameters: dict[str, Any]) -> dict[str, Any]:
    """
    Answer PutImage; moto's own makes up digests, deletes the image that loses its tag, and names
    another error.

    Source: ECR PutImage, Errors.
    """
    name, text = parameters["repositoryName"], parameters["imageManifest"]
    tag: Any = parameters.get("imageTag")
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    repository = ecr_backends[ACCOUNT][REGION].repositories.get(name)
    where = f"the repository with name '{name}' in the registry with id '{ACCOUNT}'"
    if repository is None:
        message = (
            f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"
        )
        raise AwsError("RepositoryNotFoundException", message)
    if parameters.get("imageDigest", digest) != digest:
        raise AwsError(
            "ImageDigestDoesNotMatchException",
            f"The image's digest is {digest}; it was put to {where}",
        )
    image = next((image for image in repository.images if image.get_image_digest() == digest), None)
    if image and (tag is None or tag in image.image_tags):
        message = f"Image with digest '{digest}' and tag '{tag}' already exists in {where}"
        raise AwsError("ImageAlreadyExistsException", message)
    if tag:
        _release_tag(repository, tag)
    media_type: Any = parameters.get("imageManifestMediaType") or json.loads(text).get("mediaType")
    if image is None:
        image = ImageStored(ACCOUNT, tag, text, name, media_type, digest)
        repository.images.append(image)
    else:
        image.update_tag(tag)
    return {
        "image": {
            "registryId": ACCOUNT,
            "repositoryName": name,
            "imageId": {"imageDigest": digest} | ({"imageTag": tag} if tag else {}),
            "imageManifest": text,
            "imageManifestMediaType": media_type,
        }
    }


def _release_tag(repository: Repository, tag: str) -> None:
    """
    Take the tag from the image that has it, which stays without: running tasks name it by its
    digest.
    """
    holder = next((image for image in repository.images if tag in image.image_tags), None)
    if holder is None:
        return
    if repository.image_tag_mutability == _IMMUTABLE:
        raise AwsError(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{repository.name}' repository and "
            "cannot be overwritten "
            "because the repository is immutable.",
        )
    holder.remove_tag(tag)
    if not holder.image_tags:
        holder.image_tag = None  # type: ignore[assignment]


def own_uris(host: str) -> None:
    """
    Let every repository's URI name this registry; moto's names amazonaws.com.

    Patches moto's class, because CreateRepository's answer is complete before anyone is asked; like
    moto's own state it is one for the process.
    """

    def uri(self: Repository) -> str:
        return f"{host}/{self.name}"

    def ignore(self: Repository, value: str) -> None:
        """Moto's constructor sets one."""

    Repository.uri = property(uri, ignore)  # type: ignore[assignment]
