"""Reading again and again, without falling over one throttled answer."""

import asyncio
import contextvars
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from tasks.aws.task import log, transient_reason

__all__ = ["call"]

P = ParamSpec("P")
R = TypeVar("R")

_PAUSE: Final = 0.5
_PATIENCE: Final = 30.0
# Some of them wait for their turn at AWS: asyncio's own threads, six on two cores, would keep the
# others waiting too.
_THREADS: Final = ThreadPoolExecutor(max_workers=32, thread_name_prefix="poll")


async def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """
    Call a function that may be repeated in a thread; a wait of minutes must outlive a throttled
    answer.

    Raises:
        Exception: What the function raised, when it is lasting or has lasted for half a minute.
    """
    since = time.monotonic()
    while True:
        call = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(_THREADS, call)
        except Exception as error:
            reason = transient_reason(error)
            if reason is None or time.monotonic() - since > _PATIENCE:
                raise
            log().warning("will be asked again: %s", reason)
        await asyncio.sleep(_PAUSE)
