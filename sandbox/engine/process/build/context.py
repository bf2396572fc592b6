"""The build context: what COPY finds there, and what becomes of it in the image."""

import fnmatch
import posixpath
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sandbox.engine.content.contained import contained
from sandbox.engine.content.layer import Entry

__all__ = ["InvalidContext", "NotInContext", "copied", "folders", "unpack_context"]


class NotInContext(ValueError):
    """Raised when a COPY finds nothing."""


class InvalidContext(Exception):
    """Raised when what a client sent is no build context."""


def unpack_context(stream: BinaryIO, root: Path) -> None:
    """
    Unpack the tar, compressed or not, that a client sent.

    Raises:
        InvalidContext: It is not a tar, or one that writes outside of its folder.
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
    found = [path for source in sources for path in _matches(root, source)]
    into_folder = target.endswith("/") or len(found) > 1
    if len(found) > 1 and not target.endswith("/"):
        raise NotInContext(
            "when several sources are copied, the destination must be a folder and end with a /"
        )
    entries: dict[str, Entry] = {}
    for path in found:
        name = posixpath.normpath(target).lstrip("/")
        if path.is_dir() and not path.is_symlink():
            entries |= {entry.name: entry for entry in _tree(path, name, mode)}
        else:
            name = posixpath.join(name, path.name) if into_folder else name
            entries[name] = _entry(path, name, mode)
    return [
        *(folder for folder in folders(*entries) if folder.name not in entries),
        *entries.values(),
    ]


def folders(*names: str) -> list[Entry]:
    """The folders above the names, which a layer brings along."""
    parents = {parent for name in names for parent in map(str, Path(name).parents) if parent != "."}
    return [Entry(parent, 0o755) for parent in sorted(parents)]


def _matches(root: Path, source: str) -> list[Path]:
    pattern = [part for part in posixpath.normpath("/" + source).split("/") if part]
    found = [root]
    for part in pattern:
        found = [path for folder in found for path in _children(folder, part)]
    if not found:
        raise NotInContext(
            f"{source}: not in the build context, or left out by .dockerignore; see the path"
        )
    return found


def _children(folder: Path, part: str) -> list[Path]:
    """As Go's filepath.Match does, a wildcard never crosses a slash."""
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
