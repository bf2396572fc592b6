"""The owner of what a run makes, and the tag of its runs in Prefect."""

from collections.abc import Sequence
from typing import Final

from config.service import ServiceConfig
from config.split import SplitConfig
from tasks.aws.tags import Owner

__all__ = ["TAG", "owner_of"]

TAG: Final = "ecs-splitter"
"""Prefect tag of every run of this tool; the automations in deployments/ select runs by it."""


def owner_of(config: SplitConfig, service: ServiceConfig, adopt: Sequence[str] = ()) -> Owner:
    """
    The owner of a service's resources.

    Args:
        config: The split.
        service: The service.
        adopt: Names of services that may adopt resources that this split did not make.
    """
    return Owner(split=config.name, service=service.name, adopt=service.name in adopt)
