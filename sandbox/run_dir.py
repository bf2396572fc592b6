"""The folder of everything that one run writes."""

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
    """Make the folder, and remove it at the end; also remove those of runs that were killed."""
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
    A folder with a lock that ends with this process; pids would not do, as containers may share the
    folder above.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = os.open(path, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path, lock
        os.close(lock)  # another sandbox took it for abandoned before the lock was ours


def _remove_if_abandoned(path: Path) -> None:
    try:
        lock = os.open(path, os.O_RDONLY)
    except OSError:  # another user's, or gone meanwhile
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
