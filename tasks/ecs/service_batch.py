"""
One DescribeServices for all services that are waited for.

It takes ten names, and its rate limit is the account's.
"""

import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from config.aws import AwsConfig
from tasks.aws.call import call
from tasks.aws.parts import parts
from tasks.ecs.service import read_services

__all__ = ["read_service_together"]

_GATHER: Final = 0.1
_PER_CALL: Final = 10

Description = dict[str, Any] | None
Waiting = dict[str, "asyncio.Future[Description]"]

# By event loop, since a future belongs to one; then by AWS config and cluster, since a call does.
_WAITING: Final[MutableMapping[asyncio.AbstractEventLoop, dict[tuple[AwsConfig, str], Waiting]]] = (
    WeakKeyDictionary()
)
_READING: Final[set["asyncio.Task[None]"]] = set()


async def read_service_together(aws: AwsConfig, cluster: str, name: str) -> Description:
    """
    Describe a service, as `read_service`.

    All that wait within a tenth of a second share one call.

    Source: ECS DescribeServices.
    """
    loop = asyncio.get_running_loop()
    waiting = _WAITING.setdefault(loop, {}).setdefault((aws, cluster), {})
    if not waiting:
        reading = loop.create_task(_read_soon(aws, cluster))
        _READING.add(reading)  # the loop itself keeps weak references only
        reading.add_done_callback(_READING.discard)
    if name not in waiting:
        waiting[name] = loop.create_future()
    return await asyncio.shield(waiting[name])


async def _read_soon(aws: AwsConfig, cluster: str) -> None:
    """Read all services that are waited for when the time to gather them is over."""
    await asyncio.sleep(_GATHER)
    loop = asyncio.get_running_loop()
    waiting = _WAITING[loop].pop((aws, cluster))
    for names in parts(list(waiting), _PER_CALL):
        await _read(aws, cluster, names, waiting)


async def _read(aws: AwsConfig, cluster: str, names: Sequence[str], waiting: Waiting) -> None:
    """Read some services, and pass each on to those that wait for it."""
    try:
        found = await call(read_services, aws, cluster, names)
    except BaseException as error:
        for name in names:
            waiting[name].set_exception(error)
        if not isinstance(error, Exception):
            raise
    else:
        for name in names:
            waiting[name].set_result(found.get(name))
