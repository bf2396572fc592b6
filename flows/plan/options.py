"""What of a split a run is about."""

from typing import Final

from config.base import ConfigModel

__all__ = ["ALL_OF_IT", "EVERY_SERVICE", "RedeployOptions", "SplitOptions"]


class SplitOptions(ConfigModel):
    """What of the config this run is about, and what it may do."""

    only: tuple[str, ...] = ()
    """Names of the services to move; all when empty."""
    drain: bool = True
    """Whether the monolith may be drained, where the config allows it."""
    yes: bool = False
    """Whether a person has agreed beforehand to what the config wants approved."""
    adopt: tuple[str, ...] = ()
    """Services that may take over resources of their names that this split did not make."""
    plan_only: bool = False
    """Only say what would happen."""


ALL_OF_IT: Final = SplitOptions()
"""Every service, and the drain where the config allows it."""


class RedeployOptions(ConfigModel):
    """What of the config a redeploy is about."""

    only: tuple[str, ...] = ()
    """Names of the services to redeploy; all that are carved out when empty."""
    plan_only: bool = False
    """Only say what would happen."""


EVERY_SERVICE: Final = RedeployOptions()
"""Every service that is carved out."""
