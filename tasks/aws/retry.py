"""
Repeats reading calls that AWS puts off, within the call.

A step reads a dozen things before it writes one: if one throttled answer failed all of it, an
account that is throttled a little would fail every step. Changing calls are not repeated here: when
their answer is lost, the step has to look first whether they were carried out.
"""

import random
from typing import Any, Final

import botocore.exceptions

from tasks.aws.rate_limit import READING
from tasks.aws.task import log, transient_reason

__all__ = ["ask_again"]

_ATTEMPTS: Final = 5
_FIRST_PAUSE: Final = 0.2


def ask_again(
    response: tuple[Any, dict[str, Any]] | None,
    operation: Any,
    attempts: int,
    caught_exception: BaseException | None,
    **_: Any,
) -> float | None:
    """
    Answer botocore's question after an attempt: seconds until the next one, or None to leave it at
    that.

    Args:
        response: The HTTP response and what was read from it; None when there was none.
        operation: botocore's model of the operation.
        attempts: How many there were.
        caught_exception: Why there was no response.

    Source: botocore's event `needs-retry`.
    """
    if attempts >= _ATTEMPTS or not operation.name.startswith(READING):
        return None
    reason = _reason(response, operation.name, caught_exception)
    if reason is None:
        return None
    log().info("%s will be asked again: %s", operation.name, reason)
    return _FIRST_PAUSE * 2.0 ** (attempts - 1) * random.uniform(0.5, 1)  # noqa: S311 - only spreads the calls


def _reason(
    response: tuple[Any, dict[str, Any]] | None, operation: str, error: BaseException | None
) -> str | None:
    """
    Why AWS may answer yet; not for time-outs, which have taken long enough, nor where nothing
    listens.
    """
    if response is not None and "Error" in response[1]:
        answer: Any = response[1]
        return transient_reason(botocore.exceptions.ClientError(answer, operation))
    return (
        transient_reason(error)
        if isinstance(error, botocore.exceptions.ConnectionClosedError)
        else None
    )
