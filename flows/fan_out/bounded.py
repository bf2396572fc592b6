"""Works on several services at once; one that fails leaves the others alone."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

from config.errors import SplitterError
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome

__all__ = ["Results", "error_words", "side_by_side"]

Results: TypeAlias = Mapping[str, ServiceOutcome | BaseException]

_APART: Final = 0.3


async def side_by_side(
    names: Sequence[str], places: int, work: Callable[[str], Awaitable[ServiceOutcome]]
) -> dict[str, ServiceOutcome | BaseException]:
    """
    Work on every service.

    Args:
        names: The services.
        places: How many are worked on at a time.
        work: Begins a subflow for the service of that name; on a cancel, it brings what it does to
            a safe end.

    Returns:
        Outcome or error by service name.
    """
    free = asyncio.Semaphore(places)

    async def take_place(name: str, position: int) -> ServiceOutcome:
        # Subflow runs that begin in one moment lock a SQLite server, whose clients then pause for
        # seconds.
        await asyncio.sleep(position * _APART)
        async with free:
            try:
                return await work(name)
            except Exception as error:
                emit("stage", name, "failed", numbers={"error": error_words(error)})
                raise

    running = [
        asyncio.create_task(take_place(name, position)) for position, name in enumerate(names)
    ]
    try:
        done = await asyncio.gather(*running, return_exceptions=True)
    except asyncio.CancelledError:
        await asyncio.gather(*running, return_exceptions=True)
        raise
    return dict(zip(names, done, strict=True))


def error_words(error: BaseException) -> str:
    """An error of ours speaks for itself; any other says its kind as well."""
    return str(error) if isinstance(error, SplitterError) else f"{type(error).__name__}: {error}"
