"""A build context as the tar that an engine is sent: exactly what the content tag covers."""

import hashlib
import io
import tarfile
from typing import IO, Final

from config.errors import BuildFailed
from tasks.ecr.context.entries import Context, Entry, shown, why_unreadable

__all__ = ["write_archive"]

_IGNORE_FILE: Final = ".dockerignore"


def write_archive(context: Context, file: IO[bytes]) -> str:
    """
    Write the tar, and go back to its beginning.

    Returns:
        The Dockerfile's name in it.

    Raises:
        BuildFailed: A file cannot be read.
    """
    name = context.dockerfile.name or _name_outside(context.dockerfile.content)
    own = _extra_files(context, name)
    # GNU's form keeps names as bytes; they need not be UTF-8.
    with tarfile.open(
        mode="w", fileobj=file, format=tarfile.GNU_FORMAT, errors="surrogateescape"
    ) as tar:
        for entry in context.entries:
            if entry.name not in own:
                _add(tar, context, entry)
        for extra, content in own.items():
            _add_content(tar, extra, content)
    file.seek(0)
    return name


def _name_outside(content: bytes) -> str:
    """The name of a Dockerfile from outside; as docker's command line, one that nobody uses."""
    return f".dockerfile.{hashlib.sha256(content).hexdigest()[:20]}"


def _extra_files(context: Context, name: str) -> dict[str, bytes]:
    """
    The Dockerfile and the .dockerignore, unless they are in the context anyway.

    The engine needs them although they are ignored or elsewhere; by the patterns it hides them from
    COPY again.
    """
    names = {entry.name for entry in context.entries}
    extra = {}
    if name not in names:
        extra[name] = context.dockerfile.content
    if context.dockerfile.name is None:
        patterns = context.ignore_file or b".dockerignore\n"
        extra[_IGNORE_FILE] = patterns.rstrip(b"\n") + f"\n{name}\n".encode()
        return extra
    is_missing = context.has_own_ignore_file or _IGNORE_FILE not in names
    if context.ignore_file is not None and is_missing:
        extra[_IGNORE_FILE] = context.ignore_file
    return extra


def _add(tar: tarfile.TarFile, context: Context, entry: Entry) -> None:
    """Add an entry; of a file with several hard links, each is a file of its own."""
    member = tarfile.TarInfo(entry.name)
    member.mode = entry.mode
    # Before 1970 and after 2242 no tar of this form can hold it.
    member.mtime = min(max(int(entry.status.st_mtime), 0), 8**11 - 1)
    try:
        if entry.is_file:
            member.size = entry.status.st_size
            with open(entry.path, "rb") as content:  # noqa: PTH123 - 100,000 Paths are slow
                tar.addfile(member, content)
        else:
            _add_without_content(tar, member, entry)
    except OSError as error:
        if error.filename is None:  # tarfile: the file is shorter than it was
            raise BuildFailed(f"{shown(entry.path)}: changed while it was read") from None
        raise BuildFailed(why_unreadable(context.build, error)) from None


def _add_without_content(tar: tarfile.TarFile, member: tarfile.TarInfo, entry: Entry) -> None:
    link = entry.link
    member.type = tarfile.DIRTYPE if link is None else tarfile.SYMTYPE
    member.linkname = link or ""
    tar.addfile(member)


def _add_content(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
