"""The files of a build context: what is left of a folder by .dockerignore, read once."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.errors import BuildFailed
from config.service import Build
from tasks.ecr.context.dockerfile import Dockerfile, read_dockerfile
from tasks.ecr.context.dockerignore import Ignored, Ignores, read_ignores

__all__ = ["Context", "Entry", "read_context", "shown", "why_unreadable"]

_IGNORE_FILE: Final = ".dockerignore"


@dataclass(frozen=True)
class Entry:
    """A file, folder or symbolic link of a context."""

    name: str
    """Relative to the context; bytes that are not UTF-8 are escaped as Python does."""
    path: str
    status: os.stat_result

    @property
    def mode(self) -> int:
        """Permission bits."""
        return stat.S_IMODE(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it has content of its own."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def link(self) -> str | None:
        """Where a symbolic link points, wherever that is; None for anything else."""
        if not stat.S_ISLNK(self.status.st_mode):
            return None
        return os.readlink(self.path)  # noqa: PTH115 - as it is written


@dataclass(frozen=True)
class Context:
    """What an engine is sent for a build."""

    build: Build
    dockerfile: Dockerfile
    ignore_file: bytes | None
    """Content of the .dockerignore in force; the Dockerfile's own comes before the context's."""
    has_own_ignore_file: bool
    """Whether the Dockerfile has its own."""
    entries: tuple[Entry, ...]
    """Sorted by name; without sockets, pipes and devices, which no image can have."""


def read_context(build: Build) -> Context:
    """
    Read what a build context holds, without the content of its files.

    Raises:
        BuildFailed: It cannot be read, or a line of its .dockerignore is not valid.
    """
    try:
        dockerfile = read_dockerfile(build)
        file, content = _ignore_file(build, dockerfile)
        ignores = _read_ignores(file, content)
        entries = sorted(_entries(str(build.context), ignores), key=lambda entry: entry.name)
    except OSError as error:
        raise BuildFailed(why_unreadable(build, error)) from None
    is_own = content is not None and file.name != _IGNORE_FILE
    return Context(build, dockerfile, content, is_own, tuple(entries))


def why_unreadable(build: Build, error: OSError) -> str:
    """The reason with its remedy, for a file of a context that cannot be read."""
    file = shown(str(error.filename or build.context))
    reason = error.strerror or str(error)
    return f"{file} cannot be read ({reason}); make it readable, or list it in {_IGNORE_FILE}"


def shown(name: str) -> str:
    """A file's name for people and for JSON, which have no bytes that are not UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _ignore_file(build: Build, dockerfile: Dockerfile) -> tuple[Path, bytes | None]:
    """
    The ignore file in force and its content, None when there is none.

    Source: docs.docker.com/build/concepts/context, "Filename and location".
    """
    own = dockerfile.path.with_name(f"{dockerfile.path.name}{_IGNORE_FILE}")
    common = build.context / _IGNORE_FILE
    for file in (own, common):
        if file.is_file():
            return file, file.read_bytes()
    return common, None


def _read_ignores(file: Path, content: bytes | None) -> Ignores:
    try:
        return read_ignores(content or b"")
    except ValueError as error:
        raise BuildFailed(f"{file}: {error}") from None


def _entries(root: str, ignores: Ignores) -> Iterator[Entry]:
    """Every entry that is not ignored; a stack instead of recursion, for deep folders."""
    folders: list[tuple[str, Ignored]] = [("", ignores.root)]
    while folders:
        folder, above = folders.pop()
        with os.scandir(os.path.join(root, folder)) as found:  # noqa: PTH118 - 100,000 Paths are slow
            listed = list(found)
        for item in listed:
            name = f"{folder}/{item.name}" if folder else item.name
            matched = ignores.match(name, above)
            ignored = ignores.is_ignored(matched)
            status = item.stat(follow_symlinks=False)
            if not ignored and _is_sent(status.st_mode):
                yield Entry(name, item.path, status)
            if stat.S_ISDIR(status.st_mode) and (not ignored or ignores.may_keep_below(name)):
                folders.append((name, matched))


def _is_sent(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
