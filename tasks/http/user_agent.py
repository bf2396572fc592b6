"""The name under which the tool sends its own requests."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

__all__ = ["USER_AGENT"]

_NAME: Final = "ecs-splitter"


def _version() -> str:
    """The installed version; `dev` in a checkout that is not installed."""
    try:
        return version(_NAME)
    except PackageNotFoundError:
        return "dev"


USER_AGENT: Final = f"{_NAME}/{_version()}"
"""For example `ecs-splitter/0.1.0`: log and firewall rules can match it."""
