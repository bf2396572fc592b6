"""The logger of tasks and flows."""

from typing import Any

from prefect import get_run_logger
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger

__all__ = ["log"]


def log() -> Any:
    """Return the run's logger inside a flow or task, a plain one elsewhere."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("split")
