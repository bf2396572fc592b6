"""ECR PutImage, which moto answers with another digest and other errors."""

import hashlib
import json
from typing import Any, Final

from moto.ecr.models import Image, Repository, ecr_backends

from sandbox.api.errors import AwsError
from sandbox.api.internal import ACCOUNT, REGION

__all__ = ["put_image"]

_IMMUTABLE: Final = "IMMUTABLE"


class StoredImage(Image):
    """An image whose size is that of its layers; moto's is that of its configuration."""

    def get_image_size_in_bytes(self) -> int | None:
        """Sum of the layers and the configuration in bytes; None for an index."""
        manifest = json.loads(self.image_manifest)
        if "layers" not in manifest:
            return None
        parts = [*manifest["layers"], manifest.get("config", {})]
        return sum(int(part.get("size", 0)) for part in parts)


def put_image(parameters: dict[str, Any]) -> dict[str, Any]:
    """
    Answer PutImage.

    moto's own makes up digests, deletes the image that loses its tag, and has other error codes.

    Source: ECR PutImage, Errors.
    """
    text: str = parameters["imageManifest"]
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    repository = _find_repository(parameters["repositoryName"])
    if parameters.get("imageDigest", digest) != digest:
        raise AwsError(
            "ImageDigestDoesNotMatchException",
            f"The image's digest is {digest}; it was put to {_described(repository)}",
        )
    tag = parameters.get("imageTag")
    media_type = parameters.get("imageManifestMediaType") or json.loads(text).get("mediaType")
    _store(repository, digest, tag, text, media_type)
    return {"image": _answer(repository, digest, tag, text, media_type)}


def _store(repository: Repository, digest: str, tag: Any, text: str, media_type: Any) -> None:
    image = _find_image(repository, digest)
    if image and (tag is None or tag in image.image_tags):
        raise AwsError(
            "ImageAlreadyExistsException",
            f"Image with digest '{digest}' and tag '{tag}' already exists in "
            f"{_described(repository)}",
        )
    if tag:
        _release_tag(repository, tag)
    if image is None:
        image = StoredImage(ACCOUNT, tag, text, repository.name, media_type, digest)
        repository.images.append(image)
    else:
        image.update_tag(tag)


def _find_repository(name: str) -> Repository:
    repository = ecr_backends[ACCOUNT][REGION].repositories.get(name)
    if repository is None:
        raise AwsError(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'",
        )
    return repository


def _find_image(repository: Repository, digest: str) -> Any:
    matching = (image for image in repository.images if image.get_image_digest() == digest)
    return next(matching, None)


def _described(repository: Repository) -> str:
    return f"the repository with name '{repository.name}' in the registry with id '{ACCOUNT}'"


def _release_tag(repository: Repository, tag: str) -> None:
    """
    Take the tag from the image that has it.

    The image stays, even without a tag: running tasks use its digest.
    """
    owner = next((image for image in repository.images if tag in image.image_tags), None)
    if owner is None:
        return
    if repository.image_tag_mutability == _IMMUTABLE:
        raise AwsError(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{repository.name}' repository and "
            "cannot be overwritten because the repository is immutable.",
        )
    owner.remove_tag(tag)
    if not owner.image_tags:
        owner.image_tag = None  # type: ignore[assignment]


def _answer(
    repository: Repository, digest: str, tag: str | None, text: str, media_type: str | None
) -> dict[str, Any]:
    image_id = {"imageDigest": digest}
    if tag:
        image_id["imageTag"] = tag
    return {
        "registryId": ACCOUNT,
        "repositoryName": repository.name,
        "imageId": image_id,
        "imageManifest": text,
        "imageManifestMediaType": media_type,
    }
