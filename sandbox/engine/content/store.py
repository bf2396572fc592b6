"""Image content: blobs by digest, kept between runs, and safe to share between sandboxes."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

__all__ = ["Store", "cache_dir"]

_KEPT_BYTES: Final = 2 << 30
_KEPT_SECONDS: Final = 14 * 86_400.0
_YOUNG_SECONDS: Final = 86_400.0
"""Files used within a day are never dropped: another sandbox may be using them."""


def cache_dir(run_dir: Path) -> Path:
    """
    Where images are kept: in `$XDG_CACHE_HOME/ecs-splitter`, or `~/.cache/ecs-splitter`.

    Args:
        run_dir: The sandbox's folder, used when the cache cannot be written.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = Path(base) / "ecs-splitter" / "engine"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return run_dir / "engine" / "cache"


class Store:
    """
    Blobs, notes and unpacked base images in one folder.

    A file gets its name only when it is complete.

    Args:
        root: The folder; other sandboxes may use it at the same time.
    """

    def __init__(self, root: Path) -> None:
        self._blobs, self._notes = root / "blobs", root / "notes"
        self.roots = root / "roots"
        for folder in (self._blobs, self._notes, self.roots):
            folder.mkdir(parents=True, exist_ok=True)

    def has(self, digest: str) -> bool:
        """Whether the store has the blob; this counts as a use."""
        try:
            os.utime(self.path(digest))
        except FileNotFoundError:
            return False
        return True

    def path(self, digest: str) -> Path:
        """The blob's file."""
        return self._blobs / digest.removeprefix("sha256:")

    def read(self, digest: str) -> bytes:
        """The blob's content, for small ones."""
        return self.path(digest).read_bytes()

    def add(self, content: bytes) -> str:
        """Keep the content; return its digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if not self.has(digest):
            with self.temporary() as file:
                file.write_bytes(content)
                self.adopt(file, digest)
        return digest

    @contextlib.contextmanager
    def temporary(self) -> Iterator[Path]:
        """A file to write a blob into, for `adopt`; deleted if it is not adopted."""
        handle, name = tempfile.mkstemp(dir=self._blobs, prefix="new-")
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def adopt(self, file: Path, digest: str) -> None:
        """Make a temporary file a blob of the digest that the caller has computed."""
        file.replace(self.path(digest))

    def recall(self, key: str) -> dict[str, Any] | None:
        """The note under a key, if there is one."""
        note = self._notes / hashlib.sha256(key.encode()).hexdigest()
        try:
            os.utime(note)
            found: dict[str, Any] = json.loads(note.read_bytes())
        except FileNotFoundError:
            return None
        return found

    def note(self, key: str, value: dict[str, Any]) -> None:
        """Keep a small value under a key."""
        with self.temporary() as file:
            file.write_text(json.dumps(value), encoding="utf-8")
            file.replace(self._notes / hashlib.sha256(key.encode()).hexdigest())

    def prune(self) -> None:
        """Delete what was not used for two weeks, and the least recently used beyond 2 GiB."""
        now = time.time()
        total = 0
        for used, size, path in sorted(self._files(), reverse=True):
            total += size
            age = now - used
            if age > _KEPT_SECONDS or (total > _KEPT_BYTES and age > _YOUNG_SECONDS):
                path.unlink(missing_ok=True)
        for root in self.roots.iterdir():
            if not self.path(root.name).exists():
                shutil.rmtree(root, ignore_errors=True)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for folder in (self._blobs, self._notes):
            for path in folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    yield status.st_mtime, status.st_size, path
