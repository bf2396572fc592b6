"""Reading again and again, without falling over one throttled answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from tasks.aws_task import log, transient_reason

__all__ = ["poll"]

P = ParamSpec("P")
R = TypeVar("R")

_PAUSE: Final = 0.5
_PATIENCE: Final = 30.0


async def poll(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """
    Call a describing function in a thread; a wait of minutes must outlive a throttled answer.

    Raises:
        Exception: What the function raised, when it is lasting or has lasted for half a minute.
    """
    since = time.monotonic()
    while True:
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        except Exception as error:
            reason = transient_reason(error)
            if reason is None or time.monotonic() - since > _PATIENCE:
                raise
            log().warning("will be asked again: %s", reason)
        await asyncio.sleep(_PAUSE)
