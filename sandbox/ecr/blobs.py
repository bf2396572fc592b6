"""Blobs and uploads on disk, and which repository has which blob."""

import hashlib
import re
import shutil
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["Blobs", "DigestMismatch", "UploadUnknown", "is_digest"]

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Whether it is a SHA-256 digest, the only kind that ECR has."""
    return bool(_DIGEST.fullmatch(text))


class DigestMismatch(Exception):
    """Raised when an upload's content has another digest."""


class UploadUnknown(Exception):
    """Raised when there is no such upload, or it has ended."""


class Blobs:
    """
    Content by digest, stored once for all repositories.

    Args:
        root: Its own empty folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._uploads = root / "uploads"
        self._lock = threading.Lock()
        self._repositories: dict[str, set[str]] = {}
        self._hashes: dict[str, hashlib._Hash] = {}
        self._uploads.mkdir(parents=True, exist_ok=True)

    def path(self, repository: str, digest: str) -> Path | None:
        """The blob's file; None when the repository does not have it."""
        with self._lock:
            known = digest in self._repositories.get(repository, ())
        return self._file(digest) if known else None

    def mount(self, repository: str, source: str, digest: str) -> bool:
        """Add a blob of one repository to another; False when the first does not have it."""
        if self.path(source, digest) is None:
            return False
        self._add(repository, digest)
        return True

    def begin(self) -> str:
        """Begin an upload; return its id."""
        upload = str(uuid.uuid4())
        (self._uploads / upload).touch()
        with self._lock:
            self._hashes[upload] = hashlib.sha256()
        return upload

    def append(self, upload: str, chunks: Iterable[bytes]) -> int:
        """
        Add to an upload.

        Returns:
            Its size now, in bytes.

        Raises:
            UploadUnknown: There is no such upload.
        """
        digest = self._hash(upload)
        with (self._uploads / upload).open("ab") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            return file.tell()

    def size(self, upload: str) -> int:
        """
        The size of an upload, in bytes.

        Raises:
            UploadUnknown: There is no such upload.
        """
        self._hash(upload)
        return (self._uploads / upload).stat().st_size

    def finish(self, repository: str, upload: str, digest: str) -> None:
        """
        Make the upload a blob of the repository.

        Raises:
            DigestMismatch: The content has another digest; the upload is dropped.
            UploadUnknown: There is no such upload.
        """
        found = "sha256:" + self._hash(upload).hexdigest()
        if found != digest:
            self.cancel(upload)
            raise DigestMismatch(f"the content's digest is {found}, not {digest}")
        (self._uploads / upload).replace(self._file(digest))
        with self._lock:
            del self._hashes[upload]
        self._add(repository, digest)

    def cancel(self, upload: str) -> None:
        """
        Drop an upload.

        Raises:
            UploadUnknown: There is no such upload.
        """
        with self._lock:
            if self._hashes.pop(upload, None) is None:
                raise UploadUnknown(upload)
        (self._uploads / upload).unlink(missing_ok=True)

    def forget(self, repository: str) -> None:
        """Drop the blobs of a deleted repository: a new one of its name starts empty."""
        with self._lock:
            self._repositories.pop(repository, None)

    def close(self) -> None:
        """Delete everything."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _hash(self, upload: str) -> "hashlib._Hash":
        with self._lock:
            found = self._hashes.get(upload)
        if found is None:
            raise UploadUnknown(upload)
        return found

    def _add(self, repository: str, digest: str) -> None:
        with self._lock:
            self._repositories.setdefault(repository, set()).add(digest)

    def _file(self, digest: str) -> Path:
        return self._root / digest.removeprefix("sha256:")
