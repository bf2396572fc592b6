"""The log of a run on the terminal: messages and retries of the tasks, not Prefect's own lines."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import botocore.exceptions
import prefect
from prefect.logging.configuration import setup_logging

from config.errors import SplitterError
from flows.cli.live import Screen
from flows.record.events import JOURNALED

__all__ = ["log_on_screen"]

_PREFECT: Final = str(Path(prefect.__file__).parent)
_STYLES: Final = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "bold red"}
# The run reports these itself; anything else is a fault, and its traceback is wanted.
_EXPECTED: Final = (
    SplitterError,
    botocore.exceptions.ClientError,
    botocore.exceptions.BotoCoreError,
)


class _ScreenHandler(logging.Handler):
    """
    Writes log lines above the live table.

    Args:
        screen: Where to.
        verbose: Whether Prefect's own lines are wanted too.
    """

    def __init__(self, screen: Screen, *, verbose: bool) -> None:
        super().__init__(logging.INFO)
        self._screen = screen
        self._verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        """Show the record, unless it repeats an event, which the screen shows by itself."""
        if self._is_shown(record):
            text = _source(record) + self.format(record)
            style = _STYLES.get(record.levelno, "dim")
            self._screen.line(text, style)

    def _is_shown(self, record: logging.LogRecord) -> bool:
        if getattr(record, JOURNALED, False):
            return False
        return self._verbose or _matters(record)


def _matters(record: logging.LogRecord) -> bool:
    if not record.pathname.startswith(_PREFECT):
        return True
    if "Retry" in record.getMessage():
        return True
    if not record.exc_info:
        return False

    error = record.exc_info[1]
    return not isinstance(error, _EXPECTED)


def _source(record: logging.LogRecord) -> str:
    name = getattr(record, "task_run_name", None)
    if name in (None, "Unknown"):
        return ""
    return f"[{name}] "


@contextmanager
def log_on_screen(screen: Screen, *, verbose: bool) -> Iterator[None]:
    """Send the log to the screen while the block runs."""
    setup_logging()
    logger = logging.getLogger("prefect")
    handlers = logger.handlers
    propagate = logger.propagate
    logger.handlers = [_ScreenHandler(screen, verbose=verbose)]
    # Prefect's console handler sits on the root logger.
    logger.propagate = False
    try:
        yield
    finally:
        logger.handlers = handlers
        logger.propagate = propagate
