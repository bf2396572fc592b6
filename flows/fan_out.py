"""Where services are worked on: in this process, or as deployment runs on a Prefect work pool."""

from prefect import flow

from config.split import SplitConfig
from flows.outcome import ServiceOutcome
from flows.service import settle_service
from flows.source import ConfigSource, read_source
from flows.watch import told_start
from tasks.surroundings import Surroundings, read_surroundings

__all__ = ["settle", "settle_on_worker"]


async def settle(config: SplitConfig, name: str, around: Surroundings, adopt: list[str]) -> ServiceOutcome:
    """Carve one service out, where the config says."""
    return await settle_service(config, name, around, adopt)


@flow(name="settle-service", flow_run_name="settle {name}", retries=0, persist_result=False)
async def settle_on_worker(config: ConfigSource, name: str, adopt: list[str] | None = None) -> ServiceOutcome:
    """
    Carve one service out of the monolith, as a part of a split that runs elsewhere and holds the listener.

    Args:
        config: The split.
        name: The service's name.
        adopt: Services that may take over what this split did not make.

    Raises:
        StepFailed: A step failed; the service's paths are the monolith's, unless the message says otherwise.
    """
    told_start()
    config = await read_source(config)
    return await settle_service.fn(config, name, await read_surroundings(config), adopt)
