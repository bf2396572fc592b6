"""Who owns what a run makes."""

from collections.abc import Sequence

from config.service import ServiceConfig
from config.split import SplitConfig
from tasks.ownership import Owner

__all__ = ["owner_of"]


def owner_of(config: SplitConfig, service: ServiceConfig, adopt: Sequence[str] = ()) -> Owner:
    """
    The owner of a service's resources.

    Args:
        config: The split.
        service: The service.
        adopt: Names of services that may take over what this split did not make.
    """
    return Owner(split=config.name, service=service.name, adopt=service.name in adopt)
