"""The folder of all files of one run."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["run_dir"]

_PREFIX: Final = "split-sandbox-run-"


@contextlib.contextmanager
def run_dir() -> Iterator[Path]:
    """Make the folder, and remove it at the end; remove also those of runs that were killed."""
    for other in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_if_abandoned(other)
    path, lock = _make_locked()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _make_locked() -> tuple[Path, int]:
    """
    A folder with a lock that ends with this process.

    Process ids would not do, because containers may share the parent folder.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = os.open(path, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path, lock
        os.close(lock)  # another sandbox removed it before it was locked


def _remove_if_abandoned(path: Path) -> None:
    try:
        lock = os.open(path, os.O_RDONLY)
    except OSError:  # another user's, or already removed
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
