"""Manifests of images in ECR: the CPU architectures that an image is for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import botocore.exceptions
import httpx

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.ecr.reference import ImageReference
from tasks.ecr.registry import MANIFEST_TYPES

__all__ = ["read_architectures"]

_TIMEOUT: Final = 10


@dataclass(frozen=True)
class _Registry:
    """A repository of the registry, and the token for it."""

    url: str
    token: str

    def get(self, path: str) -> Any:
        """Get the JSON at a path."""
        headers = {"Authorization": f"Basic {self.token}", "Accept": MANIFEST_TYPES}
        # ECR redirects to S3, and httpx drops the token on the way to another host.
        response = httpx.get(
            f"{self.url}/{path}", headers=headers, timeout=_TIMEOUT, follow_redirects=True
        )
        response.raise_for_status()
        return response.json()


def read_architectures(aws: AwsConfig, image: ImageReference) -> frozenset[str]:
    """
    Read the CPU architectures that an image in ECR is for, by Docker's names; empty when unknown.

    Args:
        aws: Where its registry is.
        image: Pinned by digest.

    Source: OCI distribution and image specifications: manifest, index, configuration.
    """
    try:
        found = client(aws, "ecr").get_authorization_token()["authorizationData"][0]
    except botocore.exceptions.ClientError:
        return frozenset()  # Without permission to pull, one can still deploy.
    # The token is for every registry that the credentials may read in the region.
    scheme, _, _ = found["proxyEndpoint"].partition("://")
    url = f"{scheme}://{image.registry}/v2/{image.repository}"
    try:
        return frozenset(_architectures(_Registry(url, found["authorizationToken"]), image.digest))
    except (httpx.HTTPError, KeyError, ValueError):
        return frozenset()


def _architectures(registry: _Registry, digest: str) -> Iterator[str]:
    """The architectures in an index, or the one in an image's configuration."""
    manifest = registry.get(f"manifests/{digest}")
    if "manifests" in manifest:
        for image in manifest["manifests"]:
            yield image["platform"]["architecture"]
    else:
        config = manifest["config"]["digest"]
        yield registry.get(f"blobs/{config}")["architecture"]
