"""The build context, and the layer entries that COPY makes of it."""

import fnmatch
import posixpath
import tarfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from sandbox.engine.content.contained import contained
from sandbox.engine.content.layer import Entry

__all__ = ["InvalidContext", "NotInContext", "copied", "folders", "unpack_context"]


class NotInContext(ValueError):
    """Raised when the source of a COPY is not in the context."""


class InvalidContext(Exception):
    """Raised when a client's build context is not a valid tar."""


def unpack_context(stream: BinaryIO, root: Path) -> None:
    """
    Unpack the tar, compressed or not, that a client sent.

    Raises:
        InvalidContext: It is not a tar, or a member is outside the folder.
    """
    root.mkdir()
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            tar.extractall(root, contained(tar, tar, root))  # noqa: S202 - each member is checked
    except tarfile.TarError as error:
        raise InvalidContext(f"build context: {error}; send a tar of the folder to build") from None


def copied(root: Path, sources: list[str], target: str, mode: int | None) -> list[Entry]:
    """
    The entries that COPY makes.

    Args:
        root: The unpacked context.
        sources: Paths in the context, with wildcards.
        target: Absolute path in the image; ends with a slash when it is a folder.
        mode: Permission bits of everything copied, None for those of the source.

    Raises:
        NotInContext: A source matches nothing.
    """
    found = list(chain.from_iterable(_matches(root, source) for source in sources))
    into_folder = target.endswith("/")
    if len(found) > 1 and not into_folder:
        raise NotInContext(
            "when several sources are copied, the destination must be a folder and end with a /"
        )
    name = posixpath.normpath(target).lstrip("/")
    entries: dict[str, Entry] = {}
    for path in found:
        for entry in _copied_one(path, name, mode, into_folder=into_folder):
            entries[entry.name] = entry
    parents = [folder for folder in folders(*entries) if folder.name not in entries]
    return [*parents, *entries.values()]


def folders(*names: str) -> list[Entry]:
    """The folders above the names, which have to be in the layer too."""
    parents: set[str] = set()
    for name in names:
        parents |= {str(parent) for parent in Path(name).parents}
    return [Entry(parent, 0o755) for parent in sorted(parents - {"."})]


def _copied_one(path: Path, name: str, mode: int | None, *, into_folder: bool) -> Iterator[Entry]:
    if path.is_dir() and not path.is_symlink():
        yield from _tree(path, name, mode)
    elif into_folder:
        yield _entry(path, posixpath.join(name, path.name), mode)
    else:
        yield _entry(path, name, mode)


def _matches(root: Path, source: str) -> list[Path]:
    pattern = [part for part in posixpath.normpath("/" + source).split("/") if part]
    found = [root]
    for part in pattern:
        found = list(chain.from_iterable(_children(folder, part) for folder in found))
    if not found:
        raise NotInContext(f"{source}: not in the build context, or excluded by .dockerignore")
    return found


def _children(folder: Path, part: str) -> list[Path]:
    """Entries of a folder; a wildcard never matches a slash, as in Go's filepath.Match."""
    if not folder.is_dir():
        return []
    if not any(sign in part for sign in "*?["):
        path = folder / part
        return [path] if path.exists() or path.is_symlink() else []
    return sorted(path for path in folder.iterdir() if fnmatch.fnmatchcase(path.name, part))


def _tree(folder: Path, name: str, mode: int | None) -> Iterator[Entry]:
    if name:
        yield Entry(name, 0o755 if mode is None else mode)
    for path in sorted(folder.iterdir()):
        inside = posixpath.join(name, path.name)
        if path.is_dir() and not path.is_symlink():
            yield from _tree(path, inside, mode)
        else:
            yield _entry(path, inside, mode)


def _entry(path: Path, name: str, mode: int | None) -> Entry:
    if path.is_symlink():
        return Entry(name, 0o777, target=str(path.readlink()))
    return Entry(name, path.stat().st_mode & 0o7777 if mode is None else mode, source=path)
