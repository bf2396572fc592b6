"""Removes what a split has made for several services, side by side."""

from collections.abc import Iterable, Sequence

from config.service import ServiceConfig
from config.split import SplitConfig
from flows.fan_out.bounded import Results, side_by_side
from flows.record.outcome import ServiceOutcome
from flows.service.remove import remove_service
from tasks.discovery import Discovered
from tasks.state.owned import OwnedResources

__all__ = ["remove_all"]


async def remove_all(
    config: SplitConfig,
    discovered: Discovered,
    services: Iterable[ServiceConfig],
    removing: Sequence[OwnedResources],
) -> Results:
    """
    Remove the services, at most `max_parallel` at a time.

    Args:
        config: The split.
        discovered: What is only read.
        services: Those of the config, and former ones.
        removing: What the split has made for each service that is removed.
    """
    by_name = {service.name: service for service in services}
    adopted = {item.service: item.adopted for item in removing}

    async def remove(name: str) -> ServiceOutcome:
        return await remove_service(
            config,
            discovered,
            by_name[name],
            adopted=adopted[name],
        )

    return await side_by_side(list(adopted), config.max_parallel, remove)
