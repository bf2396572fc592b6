"""What a rollback or a teardown is about."""

from typing import Final

from config.base import ConfigModel

__all__ = ["ASKED", "EVERY_PATH", "RollbackOptions", "TeardownOptions"]


class RollbackOptions(ConfigModel):
    """Which paths go back to the monolith, and what becomes of the services."""

    only: tuple[str, ...] = ()
    """Names of the services whose paths go back; all when empty."""
    remove: bool = False
    """Whether what was made for them is removed afterwards."""
    yes: bool = False
    """Whether a person has agreed beforehand."""
    plan_only: bool = False
    """Only say what would happen."""


EVERY_PATH: Final = RollbackOptions()
"""Every path; the services stay, without traffic."""


class TeardownOptions(ConfigModel):
    """How a split's resources are removed."""

    yes: bool = False
    """Whether a person has agreed beforehand."""
    plan_only: bool = False
    """Only say what would happen."""


ASKED: Final = TeardownOptions()
"""After a person has agreed."""
