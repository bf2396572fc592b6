"""The values of configured request headers, some of them secret."""

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from botocore.exceptions import ClientError

from config.aws import AwsConfig
from config.errors import CheckFailed
from config.proof.requests import HeaderValue
from tasks.aws.clients import client

__all__ = ["read_headers", "without_secrets"]

_HIDDEN: Final = "***"
_SECRETS: Final[set[str]] = set()
"""Every secret value that this process has read."""


def read_headers(aws: AwsConfig, headers: Mapping[str, HeaderValue]) -> dict[str, str]:
    """
    The headers with their values, those of references read once a process.

    Raises:
        CheckFailed: A reference cannot be read, or its value cannot be in a header.

    Source: Secrets Manager GetSecretValue; SSM GetParameter.
    """
    values = {}
    for name, value in headers.items():
        if value.value is not None:
            values[name] = value.prefix + value.value
        else:
            values[name] = value.prefix + _read(aws, name, value)
    return values


@lru_cache(maxsize=256)
def _read(aws: AwsConfig, name: str, source: HeaderValue) -> str:
    value = _read_source(aws, name, source)
    # A file or a secret typed by hand often ends with a line break.
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable():
        raise CheckFailed(
            f"request_headers.{name}: the value of {source} is empty or has characters that a "
            "header cannot have; store printable ASCII text"
        )
    _SECRETS.add(value)
    return value


def _read_source(aws: AwsConfig, name: str, source: HeaderValue) -> str:
    if source.env is not None:
        value = os.environ.get(source.env)
        if value is None:
            raise CheckFailed(
                f"request_headers.{name}: {source} is not set; export it where the command runs, "
                "and where its workers do"
            )
        return value
    try:
        if source.secret is not None:
            return _read_secret(aws, name, source)
        ssm = client(aws, "ssm")
        found = ssm.get_parameter(Name=source.parameter, WithDecryption=True)
        return str(found["Parameter"]["Value"])
    except ClientError as error:
        raise CheckFailed(
            f"request_headers.{name}: {source} cannot be read "
            f"({error.response['Error']['Code']}); check its name and region, and allow "
            "secretsmanager:GetSecretValue or ssm:GetParameter, and kms:Decrypt for its key"
        ) from None


def _read_secret(aws: AwsConfig, name: str, source: HeaderValue) -> str:
    found = client(aws, "secretsmanager").get_secret_value(SecretId=source.secret)
    text = str(found.get("SecretString", ""))
    if source.key is None:
        return text
    try:
        return str(json.loads(text)[source.key])
    except (ValueError, TypeError, KeyError):
        raise CheckFailed(
            f"request_headers.{name}: {source} has no JSON key {source.key!r}; check the key"
        ) from None


def without_secrets(text: str) -> str:
    """A text for a log or a record: a server may answer with what it was sent."""
    for secret in sorted(_SECRETS, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text
