"""Who the credentials are, and what they may not do, in words that lead to the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import botocore.exceptions
import botocore.parsers

from config.aws import AwsConfig
from config.errors import PreflightFailed
from tasks.aws.clients import IAM_ACTION, client

__all__ = ["read_account", "refusals_explained", "why_refused"]

_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}
    | {"UnauthorizedOperation"}
)
_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_UNKNOWN: Final = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
    }
    | {"MissingAuthenticationToken", "NotAuthorized", "OptInRequired", "SignatureDoesNotMatch"}
    | {"UnrecognizedClientException"}
)
_NO_ANSWER: Final = (
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ProxyConnectionError,
    botocore.exceptions.ReadTimeoutError,
    botocore.exceptions.SSLError,
)
_LOG_IN: Final = "log in with `aws sso login`, set AWS_PROFILE, or set aws.profile"


def why_refused(error: botocore.exceptions.ClientError) -> str | None:
    """
    What is wrong with the credentials, for an error that says so; None for any other.

    Returns:
        A finding that names the IAM action or the remedy.
    """
    code, words = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in _DENIED:
        action = error.response.get("ResponseMetadata", {}).get(IAM_ACTION, error.operation_name)
        return f"aws: the credentials may not call {action} ({code}: {words}); allow them to in IAM"
    if code in _EXPIRED:
        return f"aws: the credentials have expired ({code}: {words}); {_LOG_IN}"
    if code in _UNKNOWN:
        return f"aws: AWS does not take the credentials ({code}: {words}); {_LOG_IN}"
    return None


@contextmanager
def refusals_explained() -> Iterator[None]:
    """
    Explain what AWS refuses the credentials in the block, which must not change anything.

    Raises:
        PreflightFailed: In place of an error that `why_refused` explains.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        reason = why_refused(error)
        if reason is None:
            raise
        raise PreflightFailed(reason) from None


def read_account(aws: AwsConfig) -> str:
    """
    The account of the credentials.

    Raises:
        PreflightFailed: There are no credentials, they are refused or another account's, or nothing
            answers.

    Source: STS GetCallerIdentity.
    """
    try:
        with refusals_explained():
            account = client(aws, "sts").get_caller_identity()["Account"]
    except _NO_ANSWER as error:
        raise PreflightFailed(
            f"aws.endpoint_url: {_where(aws)} does not answer ({error}); check the address and "
            "the network"
        ) from None
    except botocore.parsers.ResponseParserError:
        raise PreflightFailed(
            f"aws.endpoint_url: {_where(aws)} answers, but not as AWS does; give the address of "
            "an AWS API"
        ) from None
    except botocore.exceptions.ConnectionClosedError:
        raise  # an answer that was lost: the next may come
    except botocore.exceptions.BotoCoreError as error:
        raise PreflightFailed(
            f"{_field(aws, error)} no usable credentials ({error}); {_LOG_IN}"
        ) from None
    if aws.account_id and account != aws.account_id:
        raise PreflightFailed(
            f"aws.account_id: the credentials belong to account {account}, not {aws.account_id}; "
            "use the right profile"
        )
    return account


def _where(aws: AwsConfig) -> str:
    return aws.endpoint_url or f"AWS in {aws.region}"


def _field(aws: AwsConfig, error: botocore.exceptions.BotoCoreError) -> str:
    """The field that the credentials come from."""
    if isinstance(error, botocore.exceptions.ProfileNotFound) and aws.profile:
        return f"aws.profile: {aws.profile}:"
    return (
        f"aws.shared_credentials_file: {aws.shared_credentials_file}:"
        if aws.shared_credentials_file
        else "aws:"
    )
