"""Images that somebody else built: whether they are there, and for which CPU."""

from typing import Any, Final

import botocore.exceptions
import requests

from config.aws import AwsConfig
from config.errors import PreflightFailed
from config.service import ServiceConfig
from tasks.aws.clients import client
from tasks.ecr.build import pin_image
from tasks.preflight.finding import Finding

__all__ = ["check_ready_image", "read_architectures"]

_DOCKER_NAMES: Final = {"X86_64": "amd64", "ARM64": "arm64"}
_KINDS: Final = ("oci.image.index.v1", "oci.image.manifest.v1")
_DOCKER_KINDS: Final = ("docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2")
_ACCEPT: Final = ", ".join(f"application/vnd.{kind}+json" for kind in _KINDS + _DOCKER_KINDS)
_TIMEOUT: Final = 10


def check_ready_image(aws: AwsConfig, where: str, service: ServiceConfig) -> list[Finding]:
    """
    What is wrong with a ready image, as far as ECR can tell; of another registry's nothing is known
    here.

    Args:
        aws: Where AWS is.
        where: The service's place in the config, e.g. `services[0]`.
        service: The service.

    Source: ECR DescribeRepositories, DescribeImages, GetAuthorizationToken.
    """
    image = str(service.image)
    try:
        pinned = pin_image(aws, image)
    except PreflightFailed as error:
        return [Finding(f"{where}.{error}")]
    path, _, digest = pinned.partition("@")
    if pinned == image or not digest:
        return []
    known = read_architectures(aws, path.partition("/")[2], digest)
    wanted = _DOCKER_NAMES[service.cpu_architecture]
    if not known or wanted in known:
        return []
    return [
        Finding(
            f"{where}.image: {image} is for {' and '.join(sorted(known))}, its tasks would run "
            f"on {wanted}; set "
            "cpu_architecture, or name an image for that CPU"
        )
    ]


def read_architectures(aws: AwsConfig, repository: str, digest: str) -> frozenset[str]:
    """
    The CPUs that an image in ECR is for, in Docker's words; empty when it cannot be told.

    Source: OCI distribution and image specifications: manifest, index, configuration.
    """
    try:
        granted = client(aws, "ecr").get_authorization_token()["authorizationData"][0]
    except botocore.exceptions.ClientError:
        return frozenset()  # whoever may not pull can still deploy
    base = f"{granted['proxyEndpoint']}/v2/{repository}"
    headers = {"Authorization": f"Basic {granted['authorizationToken']}", "Accept": _ACCEPT}
    try:
        manifest = _get_json(f"{base}/manifests/{digest}", headers)
        if "manifests" in manifest:
            return frozenset(
                str(item["platform"]["architecture"]) for item in manifest["manifests"]
            )
        config = _get_json(f"{base}/blobs/{manifest['config']['digest']}", headers)
    except (requests.RequestException, KeyError):
        return frozenset()
    return frozenset({str(config["architecture"])} if "architecture" in config else ())


def _get_json(url: str, headers: dict[str, str]) -> Any:
    answer = requests.get(url, headers=headers, timeout=_TIMEOUT)
    answer.raise_for_status()
    return answer.json()
