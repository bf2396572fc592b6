"""What is read at the end of a run, for its outcome."""

import asyncio

from config.errors import PreflightFailed
from config.split import SplitConfig
from flows.record.outcome import MonolithOutcome
from tasks.aws.call import call
from tasks.discovery import read_monolith
from tasks.ecr.engine import engine_name

__all__ = ["read_engine", "read_monolith_outcome"]


async def read_engine(config: SplitConfig) -> str | None:
    """
    Name of the container engine.

    Returns:
        None where it does not answer: that must not hide what the run came to.
    """
    try:
        return await asyncio.to_thread(engine_name, config.docker_host)
    except PreflightFailed:
        return None


async def read_monolith_outcome(config: SplitConfig) -> MonolithOutcome:
    """The monolith as ECS has it now."""
    monolith, _, _ = await call(read_monolith, config.aws, config.cluster, config.monolith.service)
    return MonolithOutcome.of(monolith.service, monolith.desired_count)
