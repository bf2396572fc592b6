"""Works on several services at once; one that fails does not affect the others."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

import botocore.exceptions

from config.errors import SplitterError
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome
from tasks.aws.explain import explain_error

__all__ = ["Results", "error_text", "failure_text", "failures", "side_by_side"]

Work: TypeAlias = Callable[[str], Awaitable[ServiceOutcome]]
Results: TypeAlias = Mapping[str, ServiceOutcome | BaseException]
"""Outcome or error by service name."""

_APART: Final = 0.3


async def side_by_side(names: Sequence[str], places: int, work: Work) -> Results:
    """
    Work on every service.

    Args:
        names: The services.
        places: How many are worked on at a time.
        work: Runs a subflow for the service of that name; when cancelled, it brings what it does to
            a safe end.
    """
    free = asyncio.Semaphore(places)
    running = [
        asyncio.create_task(_in_turn(free, name, position * _APART, work))
        for position, name in enumerate(names)
    ]
    try:
        results = await asyncio.gather(*running, return_exceptions=True)
    except asyncio.CancelledError:
        await asyncio.gather(*running, return_exceptions=True)
        raise
    return dict(zip(names, results, strict=True))


async def _in_turn(free: asyncio.Semaphore, name: str, delay: float, work: Work) -> ServiceOutcome:
    # Subflow runs that begin in one moment lock a SQLite server, whose clients then pause for
    # seconds.
    await asyncio.sleep(delay)
    async with free:
        try:
            return await work(name)
        except Exception as error:  # any error ends in the record of its service, and is raised
            emit("stage", name, "failed", numbers={"error": error_text(error)})
            raise


def failures(results: Results) -> dict[str, str]:
    """Why services failed, by name."""
    return {
        name: error_text(result)
        for name, result in results.items()
        if isinstance(result, BaseException)
    }


def failure_text(failed: Mapping[str, str], services: int, what: str) -> str:
    """
    Why a run failed: a heading, and the message of each service.

    Args:
        failed: Messages by service, at least one.
        services: How many services the run worked on.
        what: For example `could not be rolled back`.
    """
    names = ", ".join(failed)
    heading = f"{len(failed)} of {services} services {what} ({names})"
    return "\n".join([heading, *failed.values()])


def error_text(error: BaseException) -> str:
    """The message of an error; with its type where it is not one of ours."""
    if isinstance(error, SplitterError):
        return str(error)
    if isinstance(error, botocore.exceptions.BotoCoreError | botocore.exceptions.ClientError):
        return explain_error(error)

    kind = type(error).__name__
    return f"{kind}: {error}"
