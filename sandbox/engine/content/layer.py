"""Image layers that depend only on their content: equal files give an equal digest."""

import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from sandbox.engine.content.store import Store

__all__ = ["Entry", "Layer", "content_key", "write_layer"]

_COMPRESSION: Final = 4


@dataclass(frozen=True)
class Entry:
    """One file, folder or symbolic link of a layer."""

    name: str
    """Path in the image, without the leading slash."""
    mode: int
    """Permission bits."""
    source: Path | None = None
    """Where a file's content is."""
    target: str = ""
    """Where a symbolic link points."""

    @property
    def is_folder(self) -> bool:
        """Neither a file nor a link."""
        return self.source is None and not self.target


@dataclass(frozen=True)
class Layer:
    """A layer in the store."""

    digest: str
    """Of the compressed tar."""
    diff_id: str
    """Of the tar itself."""
    size: int
    """Bytes, compressed."""


def content_key(entries: Iterable[Entry]) -> str:
    """A key for `write_layer`, the same for equal entries."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    described = [
        (entry.name, entry.mode, entry.target, _file_digest(entry.source)) for entry in ordered
    ]
    return "layer " + json.dumps(described)


def _file_digest(path: Path | None) -> str:
    if path is None:
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_layer(store: Store, key: str, entries: Sequence[Entry]) -> tuple[Layer, bool]:
    """
    Write the layer, unless the store has one under this key.

    Returns:
        The layer, and whether it already existed.
    """
    known = store.recall(key)
    if known and store.has(known["digest"]):
        return Layer(**known), True
    with store.temporary() as file:
        layer = _write_to(file, entries)
        store.adopt(file, layer.digest)
    store.note(key, asdict(layer))
    return layer, False


def _write_to(file: Path, entries: Sequence[Entry]) -> Layer:
    with file.open("wb") as raw:
        packed = _Hashing(raw)
        # Without the time and the file name that a gzip header usually has: neither is content.
        with gzip.GzipFile("", "wb", _COMPRESSION, cast("IO[bytes]", packed), mtime=0) as zipped:
            plain = _Hashing(zipped)
            _write_tar(cast("IO[bytes]", plain), entries)
    return Layer(packed.digest, plain.digest, packed.size)


def _write_tar(file: IO[bytes], entries: Sequence[Entry]) -> None:
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for entry in sorted(entries, key=lambda entry: entry.name):
            _add(tar, entry)


class _Hashing:
    """Passes what is written on to a file, and computes its digest and size."""

    def __init__(self, file: Any) -> None:
        self._file, self._hash, self.size = file, hashlib.sha256(), 0

    @property
    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        self._file.write(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    member = tarfile.TarInfo(entry.name)
    member.mode = entry.mode
    if entry.source is None:
        member.type = tarfile.SYMTYPE if entry.target else tarfile.DIRTYPE
        member.linkname = entry.target
        tar.addfile(member)
        return
    with entry.source.open("rb") as file:
        member.size = entry.source.stat().st_size
        tar.addfile(member, file)
