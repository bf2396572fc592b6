"""
What the runs that change AWS share: how they begin, how they refuse, and the lock under which they
work.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect.runtime import flow_run

from config.errors import BadInput
from config.split import SplitConfig
from flows.record.journal import start_journal
from flows.record.outcome import Outcome, PlanRefused, RunFailed
from flows.report.artifacts import publish_outcome, publish_rows
from flows.runtime import cancellation
from flows.runtime.config_source import ConfigSource, read_source
from tasks.discovery import Discovered
from tasks.elbv2.lock import hold_listener

__all__ = ["LockedRun", "begin_run", "locked_run", "published_plan"]


async def begin_run(source: ConfigSource) -> SplitConfig:
    """
    Begin a flow that a worker may start: events go to its journal, and SIGTERM ends it in order.

    Raises:
        InvalidConfig: The config cannot be read, or a value in it cannot work.
    """
    cancellation.install()
    start_journal()
    return await read_source(source)


@asynccontextmanager
async def published_plan(config: SplitConfig, rows: list[dict[str, str]]) -> AsyncIterator[None]:
    """
    Publish the rows of a plan, and check in the block that it may be carried out.

    Raises:
        PlanRefused: The block raised bad input; has the rows as well.
    """
    await publish_rows(config, rows)
    try:
        yield
    except BadInput as error:
        outcome = Outcome.refused(str(error), rows)
        raise PlanRefused(outcome) from error


class LockedRun:
    """A run that has its listener to itself; it has to finish before its block ends."""

    def __init__(self) -> None:
        self._outcome: Outcome | None = None

    def finish(self, outcome: Outcome) -> None:
        """Note what the run came to."""
        self._outcome = outcome

    @property
    def outcome(self) -> Outcome:
        """What the run came to."""
        assert self._outcome is not None  # noqa: S101 - every block finishes its run
        return self._outcome


@asynccontextmanager
async def locked_run(config: SplitConfig, discovered: Discovered) -> AsyncIterator[LockedRun]:
    """
    Hold the listener while the block works, then publish what it came to.

    AWS may have changed before this run had the lock, so the block verifies its plan first.

    Raises:
        RunRefused: Another run holds the listener.
        LockLost: Another run took it over.
        RunFailed: The outcome has an error.
    """
    run = LockedRun()
    holder = f"{flow_run.name} {flow_run.id}"
    async with hold_listener(config.aws, discovered.listener_arn, holder):
        yield run

    await publish_outcome(config, run.outcome)
    if run.outcome.error:
        raise RunFailed(run.outcome)
