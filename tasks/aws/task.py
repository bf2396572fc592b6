"""
Turns a plain, blocking, repeatable function into a Prefect task that retries
what is transient.
"""

import asyncio
import contextvars
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

import botocore.exceptions
import docker.errors
import requests.exceptions
from prefect import Task, get_run_logger
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import MissingContextError
from prefect.tasks import exponential_backoff

__all__ = ["AwsTask", "aws_task", "is_transient", "log", "transient_reason"]

P = ParamSpec("P")
R = TypeVar("R")

# Codes with which AWS says "not now": throttles, faults of its own, and what IAM has not told its
# neighbours yet.
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
# Refusals that only their words tell from lasting ones, in lower case: ECS asks IAM before IAM has
# told everybody.
TRANSIENT_WORDS: Final = (
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
HTTP_SERVER_ERROR: Final = 500
RETRIES: Final = 6

# Waits are loops in the event loop, so these threads only ever hold short calls.
_THREADS: Final = ThreadPoolExecutor(max_workers=32, thread_name_prefix="aws")


def transient_reason(error: BaseException) -> str | None:
    """Why the same call may succeed if it is repeated, in a few words; None when it will not."""
    if isinstance(error, botocore.exceptions.ClientError):
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in TRANSIENT_CODES or status >= HTTP_SERVER_ERROR:
            return code
        return next((words for words in TRANSIENT_WORDS if words in message.lower()), None)
    if isinstance(error, docker.errors.APIError):
        return f"Docker engine: {error}" if error.is_server_error() else None
    return type(error).__name__ if isinstance(error, TRANSIENT_ERRORS) else None


async def is_transient(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Prefect's question after a failed attempt."""
    _ = task, task_run
    error = await state.aresult(raise_on_failure=False)
    reason = transient_reason(error) if isinstance(error, BaseException) else None
    if reason:
        log().warning("will be tried again: %s", reason)
    return reason is not None


class AwsTask(Task[P, Coroutine[Any, Any, R]]):
    """An async Prefect task over a blocking function, which stays reachable as `plain`."""

    plain: Callable[P, R]
    """The function itself: it blocks, and retries nothing."""


def aws_task(
    run_name: str, *, tags: tuple[str, ...] = ("aws",)
) -> Callable[[Callable[P, R]], AwsTask[P, R]]:
    """
    Make an async Prefect task of a blocking function.

    The function runs in a thread, so it has to be short and safe to repeat at any point. `.fn` of
    the task is the async form; the plain function stays reachable as `.plain`.

    Args:
        run_name: Task-run name; `{arguments}` and their attributes are filled in, e.g. `ensure role
            {service.name}`.
        tags: Prefect tags.
    """

    def decorate(function: Callable[P, R]) -> AwsTask[P, R]:
        @functools.wraps(function)
        async def in_thread(*args: P.args, **kwargs: P.kwargs) -> R:
            # The thread starts without the run's context, and with it would go the run's logger.
            context = contextvars.copy_context()
            call = functools.partial(_tell_request_id, function, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(_THREADS, context.run, call)

        def name() -> str:
            from prefect.runtime import task_run  # noqa: PLC0415 - only known while a task runs

            return run_name.format(**task_run.parameters)

        made: AwsTask[P, R] = AwsTask(
            in_thread,
            name=function.__name__.replace("_", " "),
            task_run_name=name,
            retries=RETRIES,
            retry_delay_seconds=exponential_backoff(backoff_factor=0.5),
            retry_jitter_factor=0.5,
            retry_condition_fn=is_transient,
            persist_result=False,
            tags=list(tags),
        )
        made.plain = function
        return made

    return decorate


def _tell_request_id(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Log the request id of a failed AWS call: AWS support asks for it first."""
    try:
        return function(*args, **kwargs)
    except botocore.exceptions.ClientError as error:
        request_id = error.response.get("ResponseMetadata", {}).get("RequestId", "none")
        log().error("%s (AWS request id %s)", error, request_id)
        raise


def log() -> Any:
    """The run's logger inside a flow or task, a plain one elsewhere."""
    try:
        return get_run_logger()
    except MissingContextError:
        from prefect.logging import get_logger  # noqa: PLC0415 - tests call the plain functions

        return get_logger("split")
