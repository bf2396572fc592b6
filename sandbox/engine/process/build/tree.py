"""The files that COPY takes from: the context, or the files of a stage, which lie in layers."""

import fnmatch
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

__all__ = ["Tree"]

_MOST_LINKS: Final = 40
"""As many as the kernel follows."""


class Tree:
    """
    Folders that lie over each other, seen as one.

    Links are followed inside of it: an absolute one starts at its top, and none leaves it.

    Args:
        roots: The uppermost first.
        hidden: Names that lower folders have, and this has not.
    """

    def __init__(self, *roots: Path, hidden: Collection[str] = ()) -> None:
        self._roots, self._hidden = roots, frozenset(hidden)

    def path(self, name: str) -> Path | None:
        """Where a name is; None when there is no such file. A link is not followed."""
        for index, root in enumerate(self._roots):
            path = root / name
            hidden = index > 0 and self._is_hidden(name)
            if not hidden and os.path.lexists(path):
                return path
        return None

    def _is_hidden(self, name: str) -> bool:
        if not self._hidden:
            return False
        above = [name, *(str(parent) for parent in Path(name).parents)]
        return not self._hidden.isdisjoint(above)

    def resolve(self, name: str) -> str | None:
        """The name without links; None when it leads nowhere."""
        waiting = name.split("/")
        done: list[str] = []
        links = 0
        while waiting:
            part = waiting.pop(0)
            if part == "..":
                done = done[:-1]
            if part in ("", ".", ".."):
                continue
            path = self.path("/".join([*done, part]))
            if path is None:
                return None
            if not path.is_symlink():
                done.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            target = str(path.readlink())
            done = [] if target.startswith("/") else done
            waiting = [*target.split("/"), *waiting]
        return "/".join(done)

    def children(self, folder: str) -> list[str]:
        """Names in a folder, sorted; none when it is no folder."""
        found: set[str] = set()
        for index, root in enumerate(self._roots):
            place = root / folder
            if place.is_symlink() or not place.is_dir():
                continue
            for name in os.listdir(place):  # noqa: PTH208 - only names are wanted
                inside = f"{folder}/{name}" if folder else name
                if index == 0 or not self._is_hidden(inside):
                    found.add(name)
        return sorted(found)

    def matches(self, pattern: str) -> list[str]:
        """
        The names that a COPY source matches, as they are written.

        A wildcard never matches a slash, as in Go's filepath.Match.
        """
        found = [""]
        for part in pattern.split("/"):
            if part in ("", "."):
                continue
            inner: list[str] = []
            for folder in found:
                inner += self._in_folder(folder, part)
            found = inner
        return found

    def _in_folder(self, folder: str, part: str) -> list[str]:
        place = self.resolve(folder)
        if place is None:
            return []
        prefix = f"{folder}/" if folder else ""
        names = self.children(place)
        if any(sign in part for sign in "*?["):
            return [prefix + name for name in names if fnmatch.fnmatchcase(name, part)]
        return [prefix + part] if part in names else []
