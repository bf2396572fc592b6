"""
One DescribeServices for all services that are waited for: it takes ten names, and its rate is the
account's.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from config.aws import AwsConfig
from tasks.aws.call import call
from tasks.ecs.service import read_services

__all__ = ["read_service_together"]

_GATHER: Final = 0.1
_PER_CALL: Final = 10

Description = dict[str, Any] | None
Waiting = dict[str, "asyncio.Future[Description]"]

# By event loop, since a future belongs to one; by surroundings and cluster, since a call does.
_WAITING: Final[MutableMapping[asyncio.AbstractEventLoop, dict[tuple[AwsConfig, str], Waiting]]] = (
    WeakKeyDictionary()
)
_ASKING: Final[set["asyncio.Task[None]"]] = set()


async def read_service_together(aws: AwsConfig, cluster: str, name: str) -> Description:
    """
    As `read_service`, in one call with whoever else asks within a tenth of a second.

    Source: ECS DescribeServices.
    """
    loop = asyncio.get_running_loop()
    waiting = _WAITING.setdefault(loop, {}).setdefault((aws, cluster), {})
    if name not in waiting:
        waiting[name] = loop.create_future()
        if len(waiting) == 1:
            asking = loop.create_task(_ask(aws, cluster))
            _ASKING.add(asking)  # the loop itself keeps weak references only
            asking.add_done_callback(_ASKING.discard)
    return await asyncio.shield(waiting[name])


async def _ask(aws: AwsConfig, cluster: str) -> None:
    await asyncio.sleep(_GATHER)
    waiting = _WAITING[asyncio.get_running_loop()].pop((aws, cluster))
    names = list(waiting)
    for start in range(0, len(names), _PER_CALL):
        chunk = names[start : start + _PER_CALL]
        try:
            found = await call(read_services, aws, cluster, chunk)
        except BaseException as error:
            for name in chunk:
                waiting[name].set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for name in chunk:
                waiting[name].set_result(found.get(name))
