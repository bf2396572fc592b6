"""
The log of a run on the terminal: what the tasks say and what is tried again, without Prefect's own
bookkeeping.
"""

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
from flows.record.events import EMITTED

__all__ = ["log_on_screen"]

_PREFECT: Final = str(Path(prefect.__file__).parent)
_STYLES: Final = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "bold red"}


class _ScreenHandler(logging.Handler):
    """
    Writes log lines above the live table.

    Args:
        screen: Where to.
        verbose: Whether Prefect's own lines are wanted too.
    """

    def __init__(self, screen: Screen, *, verbose: bool) -> None:
        super().__init__(logging.INFO)
        self._screen, self._verbose = screen, verbose

    def emit(self, record: logging.LogRecord) -> None:
        """Show the record, unless it says what is shown already."""
        if not getattr(record, EMITTED, False) and (self._verbose or self._matters(record)):
            self._screen.line(
                f"{_source(record)}{self.format(record)}", _STYLES.get(record.levelno, "dim")
            )

    def _matters(self, record: logging.LogRecord) -> bool:
        if not record.pathname.startswith(_PREFECT):
            return True
        if "Retry" in record.getMessage():
            return True
        # What fails on purpose is told in words of its own; anything else is a fault, and its
        # traceback is wanted.
        error = record.exc_info[1] if record.exc_info else None
        expected = (
            SplitterError,
            botocore.exceptions.ClientError,
            botocore.exceptions.BotoCoreError,
        )
        return error is not None and not isinstance(error, expected)


def _source(record: logging.LogRecord) -> str:
    name = getattr(record, "task_run_name", None)
    return f"[{name}] " if name and name != "Unknown" else ""


@contextmanager
def log_on_screen(screen: Screen, *, verbose: bool) -> Iterator[None]:
    """Send the log to the screen while the block runs."""
    setup_logging()
    logger = logging.getLogger("prefect")
    before, propagated = logger.handlers, logger.propagate
    # Prefect's console handler sits on the root logger.
    logger.handlers, logger.propagate = [_ScreenHandler(screen, verbose=verbose)], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before, propagated
