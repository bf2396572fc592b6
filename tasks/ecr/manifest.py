"""Manifests of images in ECR: the CPU architectures that an image is for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import botocore.exceptions
import httpx

from config.aws import AwsConfig
from tasks.aws.clients import client

__all__ = ["read_architectures"]

_ACCEPT: Final = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_TIMEOUT: Final = 10


@dataclass(frozen=True)
class _Registry:
    """A repository of the registry, and the token for it."""

    url: str
    token: str

    def get(self, path: str) -> Any:
        """Get the JSON at a path."""
        headers = {"Authorization": f"Basic {self.token}", "Accept": _ACCEPT}
        # ECR redirects to S3, and httpx drops the token on the way to another host.
        response = httpx.get(
            f"{self.url}/{path}", headers=headers, timeout=_TIMEOUT, follow_redirects=True
        )
        response.raise_for_status()
        return response.json()


def read_architectures(aws: AwsConfig, repository: str, digest: str) -> frozenset[str]:
    """
    Read the CPU architectures that an image in ECR is for, by Docker's names; empty when unknown.

    Source: OCI distribution and image specifications: manifest, index, configuration.
    """
    try:
        found = client(aws, "ecr").get_authorization_token()["authorizationData"][0]
    except botocore.exceptions.ClientError:
        return frozenset()  # Without permission to pull, one can still deploy.
    url = f"{found['proxyEndpoint']}/v2/{repository}"
    try:
        return frozenset(_architectures(_Registry(url, found["authorizationToken"]), digest))
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
