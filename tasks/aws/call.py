"""The thread pool for everything that blocks, and `call`, which runs one function in it."""

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from tasks.aws.log import log
from tasks.aws.retry import ATTEMPTS, pause_after, reason_to_repeat

__all__ = ["THREADS", "call", "in_thread"]

P = ParamSpec("P")
R = TypeVar("R")

THREADS: Final = 64
# Some threads wait for their turn at AWS. asyncio's own pool has six on two cores, and would keep
# all others waiting too.
_POOL: Final = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="aws")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a blocking function in a thread, with the caller's context: its logger, its urgency."""
    context = contextvars.copy_context()
    step = functools.partial(context.run, function, *args, **kwargs)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_POOL, step)


async def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """
    Run a blocking function in a thread, outside of a Prefect task: for one-shot reads.

    The function must be safe to repeat. Its reads retry themselves; the whole function is repeated
    only for a write or a Docker call that failed for a transient reason, at most ATTEMPTS times
    (see `tasks.aws.retry`).

    Raises:
        Exception: What the function raised last.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return await in_thread(function, *args, **kwargs)
        except Exception as error:  # only the retry policy decides; all others are raised
            reason = reason_to_repeat(error)
            if reason is None:
                raise
            log().warning("will be tried again: %s", reason)
        await asyncio.sleep(pause_after(attempt))
    return await in_thread(function, *args, **kwargs)
