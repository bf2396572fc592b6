"""Options of the runs: which services they work on, and what they may do."""

from collections.abc import Collection, Iterable
from typing import Final

from config.base import ConfigModel
from config.service import ServiceConfig
from config.split import SplitConfig

__all__ = [
    "REDEPLOY_DEFAULTS",
    "ROLLBACK_DEFAULTS",
    "SPLIT_DEFAULTS",
    "TEARDOWN_DEFAULTS",
    "RedeployOptions",
    "RollbackOptions",
    "SplitOptions",
    "TeardownOptions",
    "chosen_services",
    "unknown_names",
]


class SplitOptions(ConfigModel):
    """Which services a split moves, and what else it may do."""

    only: tuple[str, ...] = ()
    """Names of the services to move; all when empty."""
    drain: bool = True
    """Whether the monolith may be drained, where the config allows it."""
    yes: bool = False
    """Skip confirmation: whatever the config wants approved is approved."""
    adopt: tuple[str, ...] = ()
    """Services that may adopt existing resources of their names."""
    plan_only: bool = False
    """Show the plan and change nothing."""


SPLIT_DEFAULTS: Final = SplitOptions()
"""Every service, and the drain where the config allows it."""


class RedeployOptions(ConfigModel):
    """Which services are redeployed."""

    only: tuple[str, ...] = ()
    """Names of the services to redeploy; all that have been split off when empty."""
    plan_only: bool = False
    """Show the plan and change nothing."""


REDEPLOY_DEFAULTS: Final = RedeployOptions()
"""Every service that has been split off."""


class RollbackOptions(ConfigModel):
    """Which paths go back to the monolith, and whether the services are removed."""

    only: tuple[str, ...] = ()
    """Names of the services whose paths go back; all when empty."""
    remove: bool = False
    """Whether the services are removed afterwards."""
    yes: bool = False
    """Skip confirmation."""
    plan_only: bool = False
    """Show the plan and change nothing."""


ROLLBACK_DEFAULTS: Final = RollbackOptions()
"""Every path; the services stay, without traffic."""


class TeardownOptions(ConfigModel):
    """How a split's resources are removed."""

    yes: bool = False
    """Skip confirmation."""
    plan_only: bool = False
    """Show the plan and change nothing."""


TEARDOWN_DEFAULTS: Final = TeardownOptions()
"""After confirmation."""


def chosen_services(config: SplitConfig, only: Collection[str]) -> list[ServiceConfig]:
    """
    The services that a run works on.

    Args:
        config: The split.
        only: Their names; all when empty.
    """
    if not only:
        return list(config.services)
    return [service for service in config.services if service.name in only]


def unknown_names(config: SplitConfig, option: str, names: Iterable[str]) -> list[str]:
    """
    A finding for each name that is not a service of the config.

    Args:
        config: The split.
        option: Where the names were given, e.g. `--only`.
        names: The names.
    """
    known = sorted(service.name for service in config.services)
    choice = ", ".join(known)
    return [
        f"{option}: {name} is not a service of this config; choose from {choice}"
        for name in names
        if name not in known
    ]
