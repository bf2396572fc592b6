"""
Keeps what a tar holds inside of the folder it is unpacked into.

tarfile's own filter "tar" does that from Python 3.11.4 on; Debian 12 has 3.11.2.
"""

import copy
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["OutsideFolder", "contained"]


class OutsideFolder(tarfile.TarError):
    """Raised when a member would be written, or linked to, outside of the folder."""


def contained(
    tar: tarfile.TarFile, members: Iterable[tarfile.TarInfo], root: Path
) -> Iterator[tarfile.TarInfo]:
    """
    The members as they may be extracted, each checked right before that: those before it may have
    made links.

    Absolute names become relative, nobody but the owner may write, no program runs as another user.

    Raises:
        OutsideFolder: A member leaves the folder.
    """
    # What is checked here need not be checked by tarfile's own filter, which newer versions would
    # use.
    tar.extraction_filter = lambda member, _: member
    top = os.path.realpath(root)
    for member in members:
        for name in (member.name, member.linkname) if member.islnk() else (member.name,):
            place = os.path.realpath(os.path.join(top, name.lstrip("/")))  # noqa: PTH118 - as tarfile joins them
            if os.path.commonpath((top, place)) != top:
                raise OutsideFolder(f"{name!r} would be outside of the destination")
        changed = copy.copy(member)
        changed.name, changed.mode = member.name.lstrip("/"), member.mode & 0o755
        yield changed
