"""What is read at the end of a run, for its outcome."""

import asyncio
from collections.abc import Mapping

from config.errors import PreflightFailed
from config.split import SplitConfig
from flows.plan.change import ServicePlan
from flows.plan.observe import observe
from flows.plan.options import chosen_services
from flows.plan.split import plan_split
from flows.record.outcome import MonolithOutcome
from tasks.aws.call import call
from tasks.discovery import Discovered, read_monolith
from tasks.ecr.engine import engine_name

__all__ = ["read_engine", "read_monolith_outcome", "read_services"]


async def read_services(
    config: SplitConfig, discovered: Discovered, images: Mapping[str, str]
) -> tuple[ServicePlan, ...]:
    """
    What AWS holds of the services now, and what a split would still do.

    Args:
        config: The split.
        discovered: What is only read.
        images: The planned image of each service.
    """
    observed = await observe(
        config,
        discovered,
        chosen_services(config, images),
        images=images,
    )
    plan = plan_split(config, discovered, observed)
    return plan.services


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
    monolith, _, _ = await call(
        read_monolith,
        config.aws,
        config.cluster,
        config.monolith.service,
        config.listener.load_balancer,
    )
    return MonolithOutcome.of(monolith.service, monolith.desired_count)
