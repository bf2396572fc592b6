"""`aws_task`: makes a Prefect task of a plain, blocking function that is safe to repeat."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import botocore.exceptions
from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from tasks.aws.call import in_thread
from tasks.aws.log import log
from tasks.aws.retry import JITTER, PAUSES, reason_to_repeat, transient_reason

__all__ = ["AwsTask", "aws_task", "log", "transient_reason"]

P = ParamSpec("P")
R = TypeVar("R")


class AwsTask(Task[P, Coroutine[Any, Any, R]]):
    """An async Prefect task over a blocking function, which stays reachable as `plain`."""

    plain: Callable[P, R]
    """The function itself: it blocks, and is not repeated."""


def aws_task(
    run_name: str, *, tags: tuple[str, ...] = ("aws",)
) -> Callable[[Callable[P, R]], AwsTask[P, R]]:
    """
    Make an async Prefect task of a blocking function.

    The function runs in a thread, so it must be short and safe to repeat at any point. A write in
    it that fails for a transient reason is tried at most ATTEMPTS times, each shown by Prefect; a
    read retries itself (see `tasks.aws.retry`). `.fn` of the task is the async form, `.plain` the
    function itself.

    Args:
        run_name: Task-run name; `{arguments}` and their attributes are filled in, e.g. `ensure role
            {service.name}`.
        tags: Prefect tags.
    """

    def decorate(function: Callable[P, R]) -> AwsTask[P, R]:
        step = _logging_request_ids(function)

        @functools.wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> R:
            return await in_thread(step, *args, **kwargs)

        made: AwsTask[P, R] = AwsTask(
            run,
            name=function.__name__.replace("_", " "),
            task_run_name=run_name,
            retries=len(PAUSES),
            retry_delay_seconds=list(PAUSES),
            retry_jitter_factor=JITTER,
            retry_condition_fn=_should_repeat,
            persist_result=False,
            tags=list(tags),
        )
        made.plain = function
        return made

    return decorate


async def _should_repeat(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether Prefect runs a failed step again."""
    _ = task, task_run
    error = await state.aresult(raise_on_failure=False)
    if not isinstance(error, BaseException):
        return False
    reason = reason_to_repeat(error)
    if reason:
        log().warning("will be tried again: %s", reason)
    return reason is not None


def _logging_request_ids(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that failed AWS calls are logged with their request id."""

    def logged(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except botocore.exceptions.ClientError as error:
            _log_request_id(error)
            raise

    return logged


def _log_request_id(error: botocore.exceptions.ClientError) -> None:
    """Log an error with its request id: AWS support asks for it first."""
    metadata = error.response.get("ResponseMetadata", {})
    log().error(
        "%s (AWS request id %s)",
        error,
        metadata.get("RequestId", "none"),
    )
