"""
A container's environment: from the task definition, from overrides, and from Secrets Manager and
SSM.
"""

import json
from typing import Any, Final

from botocore.exceptions import ClientError

from sandbox.api.internal import REGION, internal_client
from sandbox.ecs.tasks.failure import StartFailed

__all__ = ["read_environment"]

_OWN: Final = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
}
_FAILED: Final = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution "
    "resource retrieval failed: "
)


def read_environment(
    endpoint_url: str, container: dict[str, Any], override: dict[str, Any]
) -> dict[str, str]:
    """
    The environment variables of a container.

    Args:
        endpoint_url: Where the secrets are.
        container: The container definition.
        override: Its RunTask override, or nothing.

    Raises:
        StartFailed: A secret does not exist.
    """
    environment = {**_OWN, **_pairs(container)}
    for secret in container.get("secrets", []):
        environment[secret["name"]] = _read_secret(endpoint_url, secret["valueFrom"])
    return {**environment, **_pairs(override)}


def _pairs(source: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in source.get("environment", [])}


def _read_secret(endpoint_url: str, reference: str) -> str:
    if reference.startswith("arn:") and ":secretsmanager:" in reference:
        return _read_from_secrets_manager(endpoint_url, reference)
    return _read_from_ssm(endpoint_url, reference)


def _read_from_secrets_manager(endpoint_url: str, reference: str) -> str:
    """
    The whole secret, or one key of it.

    Source: ECS developer guide, "Pass Secrets Manager secrets":
        `arn:…:secret:NAME:json-key:version-stage:version-id`.
    """
    parts = [*reference.split(":"), "", "", ""]
    key, stage, version = parts[7:10]
    request = {"SecretId": ":".join(parts[:7])}
    request |= {"VersionStage": stage} if stage else {}
    request |= {"VersionId": version} if version else {}
    try:
        value = internal_client(endpoint_url, "secretsmanager").get_secret_value(**request)[
            "SecretString"
        ]
    except ClientError as error:
        told = error.response["Error"]
        raise StartFailed(
            f"{_FAILED}unable to retrieve secret from asm: service call has been retried 1 "
            "time(s): failed to fetch "
            f"secret {reference} from secrets manager: {told['Code']}: {told['Message']}"
        ) from error
    if not key:
        return str(value)
    try:
        return str(json.loads(value)[key])
    except (ValueError, KeyError, TypeError):
        raise StartFailed(
            f"{_FAILED}unable to retrieve secret from asm: service call has been retried 1 "
            "time(s): retrieved secret "
            f"from Secrets Manager did not contain json key {key}"
        ) from None


def _read_from_ssm(endpoint_url: str, reference: str) -> str:
    name = reference.partition(":parameter")[2] if reference.startswith("arn:") else reference
    ssm = internal_client(endpoint_url, "ssm")
    # An ARN does not tell whether the parameter's name begins with a slash: `parameter/name` is
    # both.
    candidates = (name, name.removeprefix("/"))
    found = ssm.get_parameters(Names=sorted(set(candidates)), WithDecryption=True)["Parameters"]
    if not found:
        raise StartFailed(
            f"{_FAILED}unable to retrieve secrets from ssm: service call has been retried 1 "
            "time(s): invalid "
            f"parameters: {reference}"
        )
    return str(found[0]["Value"])
