"""Whose the credentials are, and what they are refused, each with its remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import botocore.credentials
import botocore.exceptions
import botocore.parsers

from config.aws import AwsConfig
from config.errors import PreflightFailed
from tasks.aws.clients import client, core_session
from tasks.aws.explain import LOG_IN, why_refused

__all__ = ["CredentialsLife", "read_account", "read_life", "refusals_explained"]

_RENEWED: Final = frozenset(
    {
        "assume-role",
        "assume-role-with-web-identity",
        "container-role",
        "custom-process",
        "iam-role",
    }
)
"""botocore's names of the sources whose credentials renew themselves."""
_RENEWED_BY_LOGIN: Final = frozenset({"login", "sso"})
"""The same, for as long as a person's login lasts."""

Renewal = Literal["always", "while logged in", "never"]


@dataclass(frozen=True)
class CredentialsLife:
    """How long credentials last."""

    source: str
    """botocore's name of where they come from, e.g. `env` or `sso`."""
    renewal: Renewal
    """Whether they renew themselves."""
    temporary: bool
    """Whether they are of a session, which ends."""
    expires: float | None = None
    """Seconds since the epoch; None where it is not known."""


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


def read_life(aws: AwsConfig) -> CredentialsLife | None:
    """
    How long the credentials last that the clients use; without a call of AWS.

    Returns:
        None where there are no credentials.
    """
    session = core_session(aws)
    found: Any = session.get_credentials()
    if found is None:
        return None
    refreshable = isinstance(found, botocore.credentials.RefreshableCredentials)
    # botocore has no public attribute for it.
    expiry = found._expiry_time if refreshable else None  # noqa: SLF001
    has_mfa = bool(session.get_scoped_config().get("mfa_serial"))
    return CredentialsLife(
        source=found.method,
        renewal=_renewal(found.method, has_mfa=has_mfa) if refreshable else "never",
        temporary=refreshable or bool(found.token),
        expires=expiry.timestamp() if expiry else None,
    )


def _renewal(source: str, *, has_mfa: bool) -> Renewal:
    """
    Whether credentials of a source renew themselves.

    Args:
        source: botocore's name of it.
        has_mfa: Whether the profile has an MFA device, whose code a person must enter each time.
    """
    if source == "assume-role" and has_mfa:
        return "never"
    if source in _RENEWED:
        return "always"
    return "while logged in" if source in _RENEWED_BY_LOGIN else "never"
