"""What an error of AWS or of its SDK means, and what to do about it."""

from collections.abc import Mapping
from typing import Final

import botocore.exceptions as boto

from tasks.aws.clients import IAM_ACTION
from tasks.aws.retry import transient_reason

__all__ = ["LOG_IN", "explain_error", "why_refused"]

LOG_IN: Final = "log in with `aws sso login`, set AWS_PROFILE, or set aws.profile"

_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
    }
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
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_NO_CREDENTIALS: Final = (
    boto.CredentialRetrievalError,
    boto.InfiniteLoopConfigError,
    boto.LoginError,
    boto.NoAuthTokenError,
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.ProfileNotFound,
    boto.RefreshWithMFAUnsupportedError,
    boto.SSOError,
    boto.TokenRetrievalError,
    boto.UnknownCredentialError,
)
_NOT_SENT: Final = (
    boto.MissingParametersError,
    boto.ParamValidationError,
    boto.ValidationError,
)
_NO_CONNECTION: Final = (boto.ConnectionError, boto.HTTPClientError, boto.ProxyConnectionError)
_SDK_IS_INCOMPLETE: Final = (
    boto.DataNotFoundError,
    boto.MissingDependencyException,
    boto.UnknownClientMethodError,
)
_SDK_CONFIG: Final = (
    boto.BaseEndpointResolverError,
    boto.ConfigNotFound,
    boto.ConfigParseError,
    boto.EndpointProviderError,
    boto.InvalidConfigError,
    boto.InvalidDefaultsMode,
    boto.InvalidEndpointConfigurationError,
    boto.InvalidProxiesConfigError,
    boto.InvalidRegionError,
    boto.InvalidRetryConfigurationError,
    boto.ServiceNotInRegionError,
    boto.UnknownRegionError,
)
_REMEDIES: Final[Mapping[tuple[type[Exception], ...], str]] = {
    _NO_CREDENTIALS: LOG_IN,
    # Some of these are also validation errors, and of them the region is the remedy.
    _SDK_CONFIG: "correct the AWS configuration files, the AWS_ variables, or the config's aws "
    "section",
    _NOT_SENT: "the request was not sent, because this value is not valid; correct it in the "
    "config, or report a bug of this tool where the config has no such value",
    _NO_CONNECTION: "check the network, the proxy and aws.endpoint_url, then run again",
    _SDK_IS_INCOMPLETE: "the installed boto3 does not fit; install requirements.lock",
}


def why_refused(error: Exception) -> str | None:
    """
    What is wrong with the credentials or with a value, as a finding with its remedy.

    A denied call is named by its IAM action.

    Returns:
        None for any other error.
    """
    if isinstance(error, boto.ClientError):
        return _why_rejected(error)
    if isinstance(error, (*_NO_CREDENTIALS, *_NOT_SENT)):
        return f"aws: {_one_line(error)}; {_remedy_of_sdk(error)}"
    return None


def _why_rejected(error: boto.ClientError) -> str | None:
    """Which credentials AWS rejects, or what it denies them."""
    refusal = error.response["Error"]
    code = refusal["Code"]
    message = refusal.get("Message", "")
    detail = f"({code}: {message})"
    if code in _DENIED:
        metadata = error.response.get("ResponseMetadata", {})
        action = metadata.get(IAM_ACTION, error.operation_name)
        return f"aws: the credentials may not call {action} {detail}; allow it in IAM"
    if code in _EXPIRED:
        return f"aws: the credentials have expired {detail}; {LOG_IN}"
    if code in _UNKNOWN:
        return f"aws: AWS rejects the credentials {detail}; {LOG_IN}"
    return None


def explain_error(error: boto.BotoCoreError | boto.ClientError) -> str:
    """The error's own message, and what to do about it."""
    reason = why_refused(error)
    if reason:
        return reason
    if transient_reason(error):
        remedy = "it was tried several times; run again later"
    elif isinstance(error, boto.ClientError):
        remedy = _remedy_of_refusal(error.response["Error"]["Code"])
    else:
        remedy = _remedy_of_sdk(error)
    return f"AWS: {_one_line(error)}; {remedy}"


def _one_line(error: Exception) -> str:
    """The SDK lists invalid parameters in lines of their own; here it is one line."""
    return ", ".join(str(error).splitlines()).replace(":,", ":")


def _remedy_of_refusal(code: str) -> str:
    """What to do about a request that AWS understood and refused."""
    if "LimitExceeded" in code or code.startswith("TooMany") or "Quota" in code:
        return "a quota of the account is reached; ask AWS to raise it, or remove what is unused"
    if "Invalid" in code or "Validation" in code or "Malformed" in code:
        return (
            "AWS does not accept a value of this request; correct it in the config, or report a "
            "bug of this tool where the config has no such value"
        )
    return "remove the cause that AWS names, then run again"


def _remedy_of_sdk(error: Exception) -> str:
    """What to do about an error that the SDK raised by itself."""
    for kinds, remedy in _REMEDIES.items():
        if isinstance(error, kinds):
            return remedy
    return "the AWS SDK failed; run again, and report it when it fails in the same way"
