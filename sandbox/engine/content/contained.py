"""
Keeps the members of a tar inside the folder it is unpacked into.

tarfile's own filter "tar" does this from Python 3.11.4 on; Debian 12 has 3.11.2.
"""

import copy
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["OutsideFolder", "contained"]


class OutsideFolder(tarfile.TarError):
    """Raised when a member would be written, or linked to, outside the folder."""


def contained(
    tar: tarfile.TarFile, members: Iterable[tarfile.TarInfo], root: Path
) -> Iterator[tarfile.TarInfo]:
    """
    The members, safe to extract. Each is checked when it is its turn: earlier ones may be links.

    Absolute names become relative; write permission for others and set-user-id bits are removed.

    Raises:
        OutsideFolder: A member leaves the folder.
    """
    # Newer versions of tarfile would apply their own filter as well.
    tar.extraction_filter = lambda member, _: member
    top = os.path.realpath(root)
    for member in members:
        names = (member.name, member.linkname) if member.islnk() else (member.name,)
        for name in names:
            place = os.path.realpath(os.path.join(top, name.lstrip("/")))  # noqa: PTH118 - as tarfile joins them
            if os.path.commonpath((top, place)) != top:
                raise OutsideFolder(f"{name!r} would be outside the destination")
        changed = copy.copy(member)
        changed.name = member.name.lstrip("/")
        changed.mode = member.mode & 0o755
        yield changed
