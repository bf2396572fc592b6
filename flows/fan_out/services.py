"""
Works on every service side by side: as subflows of this process, or as deployment runs on a Prefect
work pool.
"""

from collections.abc import Collection, Mapping, Sequence

from prefect import tags

from config.split import SplitConfig
from flows.fan_out.bounded import Results, error_words, side_by_side
from flows.fan_out.work_pool import settle_on_pool
from flows.plan.owner import TAG
from flows.record.outcome import ServiceOutcome
from flows.service.settle import settle_service
from tasks.aws.rate_limit import paced_across_workers
from tasks.discovery import Discovered

__all__ = ["Results", "error_words", "settle_all"]


async def settle_all(
    config: SplitConfig,
    discovered: Discovered,
    names: Sequence[str],
    *,
    adopt: Sequence[str],
    approved: Collection[str],
    images: Mapping[str, str],
) -> dict[str, ServiceOutcome | BaseException]:
    """
    Every one of the services, at most `max_parallel` at a time; one that fails leaves the others
    alone.

    Args:
        config: The split.
        discovered: What is only read.
        names: The services.
        adopt: Services that may take over what this split did not make.
        approved: Services that may get their first user; the others stop before that.
        images: The planned image of each service.

    Returns:
        Outcome or error by service name.
    """

    async def settle(name: str) -> ServiceOutcome:
        if config.fan_out == "work_pool":
            return await settle_on_pool(
                config, name, list(adopt), approved=name in approved, image=images[name]
            )
        with tags(TAG):
            return await settle_service(
                config,
                name,
                discovered,
                list(adopt),
                approved=name in approved,
                image=images[name],
            )

    with paced_across_workers(across=config.fan_out == "work_pool"):
        return await side_by_side(names, config.max_parallel, settle)
