"""A container's environment: task definition, overrides, and secrets."""

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
    if stage:
        request["VersionStage"] = stage
    if version:
        request["VersionId"] = version
    secrets = internal_client(endpoint_url, "secretsmanager")
    try:
        value = secrets.get_secret_value(**request)["SecretString"]
    except ClientError as error:
        reason = error.response["Error"]
        raise StartFailed(
            f"{_FAILED}unable to retrieve secret from asm: service call has been retried 1 "
            f"time(s): failed to fetch secret {reference} from secrets manager: {reason['Code']}: "
            f"{reason['Message']}"
        ) from error
    return _key_of(value, key) if key else str(value)


def _key_of(secret: str, key: str) -> str:
    try:
        return str(json.loads(secret)[key])
    except (ValueError, KeyError, TypeError):
        raise StartFailed(
            f"{_FAILED}unable to retrieve secret from asm: service call has been retried 1 "
            f"time(s): retrieved secret from Secrets Manager did not contain json key {key}"
        ) from None


def _read_from_ssm(endpoint_url: str, reference: str) -> str:
    name = reference.partition(":parameter")[2] if reference.startswith("arn:") else reference
    ssm = internal_client(endpoint_url, "ssm")
    # In an ARN, `parameter/name` may be a name with or without a slash at its beginning.
    candidates = (name, name.removeprefix("/"))
    found = ssm.get_parameters(Names=sorted(set(candidates)), WithDecryption=True)["Parameters"]
    if not found:
        raise StartFailed(
            f"{_FAILED}unable to retrieve secrets from ssm: service call has been retried 1 "
            f"time(s): invalid parameters: {reference}"
        )
    return str(found[0]["Value"])
