"""
The retry policy: which errors are transient, how many attempts are made, and the pauses between.

Each call is repeated at one layer only:

- A read (`Describe…`, `List…`, `Get…`) repeats itself, by `retry_read` in botocore's hook. When its
  attempts are used up, its error is marked, and no layer above repeats the step for it.
- A write is repeated by the step that makes it: by the Prefect task around the step, visible in the
  Prefect UI (`aws_task`), or by `call` where no Prefect task may start. The step reads again before
  it writes again, because a write whose response was lost may have been carried out.

Worst case: a read that always fails reaches AWS ATTEMPTS times, wherever it is made; a write that
always fails reaches AWS ATTEMPTS times, and each read before it once per attempt.
"""

import random
from typing import Any, Final

import botocore.exceptions
import docker.errors
import requests.exceptions

from tasks.aws.log import log
from tasks.aws.rate_limit import READING

__all__ = [
    "ATTEMPTS",
    "JITTER",
    "PAUSES",
    "pause_after",
    "reason_to_repeat",
    "retry_read",
    "transient_reason",
]

PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
"""Seconds before each further attempt: half a minute in total."""
JITTER: Final = 0.5
"""Share of a pause by which it is made longer or shorter at random."""
ATTEMPTS: Final = len(PAUSES) + 1

TRANSIENT_CODES: Final = frozenset(
    {
        "ConcurrentModification",
        "ConcurrentModificationException",
        "ConcurrentUpdateException",
        "EC2ThrottledException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "OperationAborted",
        "OperationAbortedException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "UpdateInProgressException",
    }
)
# Some transient refusals share their code with lasting ones, e.g. ECS before a new IAM role has
# reached it. Parts of their messages, in lower case.
TRANSIENT_MESSAGES: Final = (
    "too many concurrent attempts to create a new revision",
    "unable to assume the",
)
TRANSIENT_ERRORS: Final = (
    botocore.exceptions.ConnectionClosedError,
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ReadTimeoutError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
)
_UNREACHABLE: Final = (
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ReadTimeoutError,
)
_SERVER_ERROR: Final = 500
_USED_UP: Final = "AttemptsUsedUp"

Response = tuple[Any, dict[str, Any]] | None
"""What botocore's hook gets: the HTTP response and its parsed content; None when there was none."""


def transient_reason(error: BaseException) -> str | None:
    """Why the same call may succeed later, in short; None when it will not."""
    if isinstance(error, botocore.exceptions.ClientError):
        return _transient_refusal(error)
    if isinstance(error, docker.errors.APIError) and error.is_server_error():
        return f"Docker engine: {error}"
    if isinstance(error, TRANSIENT_ERRORS):
        return type(error).__name__
    return None


def _transient_refusal(error: botocore.exceptions.ClientError) -> str | None:
    """The code, or the part of the message, for which a refusal is transient."""
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in TRANSIENT_CODES or status >= _SERVER_ERROR:
        return code
    message = error.response["Error"].get("Message", "").lower()
    return next((part for part in TRANSIENT_MESSAGES if part in message), None)


def reason_to_repeat(error: BaseException) -> str | None:
    """Why a step should be repeated; None when it would fail again, or when a read has given up."""
    return None if _has_used_its_attempts(error) else transient_reason(error)


def pause_after(attempt: int) -> float:
    """
    Seconds to wait before the next attempt.

    Args:
        attempt: How many there were, from 1.
    """
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - it only spreads the calls
    return PAUSES[attempt - 1] * spread


def retry_read(
    response: Response,
    operation: Any,
    attempts: int,
    caught_exception: BaseException | None,
    **_: Any,
) -> float | None:
    """
    Decide whether botocore sends a call again: a read that failed for a transient reason.

    Args:
        response: The response, if there was one.
        operation: botocore's model of the operation.
        attempts: How many there were.
        caught_exception: Why there was no response.

    Returns:
        Seconds until the next attempt; None to return the response as it is.

    Source: botocore's event `needs-retry`.
    """
    error = caught_exception or _refusal(response, operation.name)
    reason = transient_reason(error) if error else None
    if error is None or reason is None or not operation.name.startswith(READING):
        return None
    if attempts >= _attempts_for(operation.name, error):
        _mark_used_up(response, caught_exception)
        return None
    log().info("%s will be sent again: %s", operation.name, reason)
    return pause_after(attempts)


def _refusal(response: Response, operation: str) -> botocore.exceptions.ClientError | None:
    """The error in a response, as botocore will raise it."""
    parsed: Any = response[1] if response else {}
    if "Error" not in parsed:
        return None
    return botocore.exceptions.ClientError(parsed, operation)


def _attempts_for(operation: str, error: BaseException) -> int:
    """How often a read is sent at most."""
    if operation == "GetCallerIdentity" and isinstance(error, _UNREACHABLE):
        return 1  # The first call of a run: a wrong address is reported at once.
    if isinstance(error, botocore.exceptions.ReadTimeoutError):
        return 2  # Each has taken half a minute already.
    return ATTEMPTS


def _mark_used_up(response: Response, error: BaseException | None) -> None:
    """Mark the error of a read that is not sent again."""
    if error is not None:
        setattr(error, _USED_UP, True)
    elif response is not None:
        response[1].setdefault("ResponseMetadata", {})[_USED_UP] = True


def _has_used_its_attempts(error: BaseException) -> bool:
    """Whether the error is marked."""
    if isinstance(error, botocore.exceptions.ClientError):
        return _USED_UP in error.response.get("ResponseMetadata", {})
    return hasattr(error, _USED_UP)
