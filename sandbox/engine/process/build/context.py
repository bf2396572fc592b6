"""The build context, and the layer entries that COPY makes of it."""

import posixpath
import tarfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from sandbox.engine.content.contained import contained
from sandbox.engine.content.layer import Entry
from sandbox.engine.process.build.tree import Tree

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
            files = (member for member in tar if _is_copied(member))
            tar.extractall(root, contained(tar, files, root))  # noqa: S202 - each member is checked
    except tarfile.TarError as error:
        raise InvalidContext(f"build context: {error}; send a tar of the folder to build") from None


def _is_copied(member: tarfile.TarInfo) -> bool:
    """Devices and pipes are not: no image has them."""
    return member.isfile() or member.isdir() or member.issym() or member.islnk()


def copied(tree: Tree, sources: list[str], target: str, mode: int | None) -> list[Entry]:
    """
    The entries that COPY makes.

    Args:
        tree: The unpacked context, or another stage's files.
        sources: Paths in the context, with wildcards.
        target: Absolute path in the image; ends with a slash when it is a folder.
        mode: Permission bits of everything copied, None for those of the source.

    Raises:
        NotInContext: A source matches nothing.
    """
    found = list(chain.from_iterable(_matches(tree, source) for source in sources))
    into_folder = target.endswith("/")
    if len(found) > 1 and not into_folder:
        raise NotInContext(
            "when several sources are copied, the destination must be a folder and end with a /"
        )
    name = posixpath.normpath(target).lstrip("/")
    entries: dict[str, Entry] = {}
    for source in found:
        for entry in _copied_one(tree, source, name, mode, into_folder=into_folder):
            entries[entry.name] = entry
    parents = [folder for folder in folders(*entries) if folder.name not in entries]
    return [*parents, *entries.values()]


def folders(*names: str) -> list[Entry]:
    """The folders above the names, which have to be in the layer too."""
    parents: set[str] = set()
    for name in names:
        parents |= {str(parent) for parent in Path(name).parents}
    return [Entry(parent, 0o755) for parent in sorted(parents - {"."})]


def _copied_one(
    tree: Tree, source: str, name: str, mode: int | None, *, into_folder: bool
) -> Iterator[Entry]:
    """The entries of one source; a link that is named itself is followed, as in Docker."""
    place = tree.resolve(source)
    path = None if place is None else tree.path(place)
    if place is None or path is None:
        raise NotInContext(f"{source}: is a link that leads nowhere")
    if path.is_dir():
        yield from _folder(tree, place, name, mode)
    elif into_folder:
        yield from _entry(path, posixpath.join(name, posixpath.basename(source)), mode)
    else:
        yield from _entry(path, name, mode)


def _matches(tree: Tree, source: str) -> list[str]:
    found = tree.matches(posixpath.normpath("/" + source))
    if not found:
        raise NotInContext(f"{source}: not in the build context, or excluded by .dockerignore")
    return found


def _folder(tree: Tree, folder: str, name: str, mode: int | None) -> Iterator[Entry]:
    """A folder with everything in it; links in it stay links."""
    if name:
        yield Entry(name, 0o755 if mode is None else mode)
    for child in tree.children(folder):
        path = tree.path(posixpath.join(folder, child))
        inside = posixpath.join(name, child)
        if path is None:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _folder(tree, posixpath.join(folder, child), inside, mode)
        else:
            yield from _entry(path, inside, mode)


def _entry(path: Path, name: str, mode: int | None) -> Iterator[Entry]:
    """A file or a link; nothing for anything else."""
    if path.is_symlink():
        yield Entry(name, 0o777, target=str(path.readlink()))
    elif path.is_file():
        yield Entry(name, path.stat().st_mode & 0o7777 if mode is None else mode, source=path)
