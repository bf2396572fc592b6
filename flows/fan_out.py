"""Works on every service side by side: as subflows of this process, or as deployment runs on a Prefect work pool."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

from prefect import tags

from config.errors import SplitterError
from config.split import SplitConfig
from flows.names import TAG
from flows.outcome import ServiceOutcome
from flows.service import settle_service
from flows.watch import tell
from flows.work_pool import settle_on_pool
from tasks.pace import paced_across_workers
from tasks.surroundings import Surroundings

__all__ = ["Results", "error_words", "settle_all"]

Results: TypeAlias = Mapping[str, ServiceOutcome | BaseException]

_APART: Final = 0.3


async def settle_all(
    config: SplitConfig, around: Surroundings, names: Sequence[str], *, adopt: Sequence[str], approved: Collection[str]
) -> dict[str, ServiceOutcome | BaseException]:
    """
    Every one of the services, at most `max_parallel` at a time; one that fails leaves the others alone.

    Args:
        config: The split.
        around: What is only read.
        names: The services.
        adopt: Services that may take over what this split did not make.
        approved: Services that may get their first user; the others stop before that.

    Returns:
        Outcome or error by service name.
    """
    places = asyncio.Semaphore(config.max_parallel)

    async def settle(name: str, position: int) -> ServiceOutcome:
        # Subflow runs that begin in one moment lock a SQLite server, whose clients then pause for seconds.
        await asyncio.sleep(position * _APART)
        async with places:
            if config.fan_out == "work_pool":
                return await settle_on_pool(config, name, list(adopt), approved=name in approved)
            with tags(TAG):
                return await settle_service(config, name, around, list(adopt), approved=name in approved)

    with paced_across_workers(across=config.fan_out == "work_pool"):
        running = [asyncio.create_task(settle(name, position)) for position, name in enumerate(names)]
        try:
            done = await asyncio.gather(*running, return_exceptions=True)
        except asyncio.CancelledError:
            # Each subflow returns its traffic and removes its private rules before it ends.
            await asyncio.gather(*running, return_exceptions=True)
            raise
    results = dict(zip(names, done, strict=True))
    for name, result in results.items():
        if isinstance(result, BaseException):
            tell("stage", name, "failed", numbers={"error": error_words(result)})
    return results


def error_words(error: BaseException) -> str:
    """An error of ours speaks for itself; any other says its kind as well."""
    return str(error) if isinstance(error, SplitterError) else f"{type(error).__name__}: {error}"
