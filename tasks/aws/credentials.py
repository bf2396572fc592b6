"""Whose the credentials are, and what they are refused, each with its remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import botocore.exceptions
import botocore.parsers

from config.aws import AwsConfig
from config.errors import PreflightFailed
from tasks.aws.clients import client
from tasks.aws.explain import LOG_IN, why_refused

__all__ = ["read_account", "refusals_explained"]

_NO_ANSWER: Final = (
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ProxyConnectionError,
    botocore.exceptions.ReadTimeoutError,
    botocore.exceptions.SSLError,
)


@contextmanager
def refusals_explained() -> Iterator[None]:
    """
    Explain what AWS refuses in the block; the block must not change anything.

    Raises:
        PreflightFailed: In place of an error that `why_refused` explains.
    """
    try:
        yield
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        reason = why_refused(error)
        if reason is None:
            raise
        raise PreflightFailed(reason) from None


def read_account(aws: AwsConfig) -> str:
    """
    Read the account of the credentials.

    Raises:
        PreflightFailed: There are no credentials, they are rejected or of another account, or the
            endpoint does not respond.

    Source: STS GetCallerIdentity.
    """
    try:
        account = client(aws, "sts").get_caller_identity()["Account"]
    except botocore.exceptions.ConnectionClosedError:
        raise  # a lost response, not a wrong address
    except botocore.exceptions.ClientError as error:
        reason = why_refused(error)
        if reason is None:
            raise
        raise PreflightFailed(reason) from None
    except (botocore.exceptions.BotoCoreError, botocore.parsers.ResponseParserError) as error:
        raise PreflightFailed(_why_not_connected(aws, error)) from None
    if aws.account_id and account != aws.account_id:
        raise PreflightFailed(
            f"aws.account_id: the credentials belong to account {account}, not {aws.account_id}; "
            "use the right profile"
        )
    return account


def _why_not_connected(aws: AwsConfig, error: Exception) -> str:
    """The finding for a call that did not reach AWS, or had no credentials."""
    endpoint = aws.endpoint_url or f"AWS in {aws.region}"
    if isinstance(error, _NO_ANSWER):
        return (
            f"aws.endpoint_url: {endpoint} does not answer ({error}); check the address and the "
            "network"
        )
    if isinstance(error, botocore.parsers.ResponseParserError):
        return (
            f"aws.endpoint_url: {endpoint} answers, but not as AWS does; give the address of an "
            "AWS API"
        )
    return f"{_source_of_credentials(aws, error)} no usable credentials ({error}); {LOG_IN}"


def _source_of_credentials(aws: AwsConfig, error: Exception) -> str:
    """The field that the credentials come from, with its value."""
    file = aws.shared_credentials_file
    if isinstance(error, botocore.exceptions.ProfileNotFound) and aws.profile:
        return f"aws.profile: {aws.profile}:"
    if file:
        return f"aws.shared_credentials_file: {file}:"
    return "aws:"
