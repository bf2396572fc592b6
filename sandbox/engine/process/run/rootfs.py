"""Unpacks an image's layers into a folder."""

import contextlib
import os
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sandbox.engine.content.base_image import add_bytecode
from sandbox.engine.content.contained import contained
from sandbox.engine.content.image import BASE_ANNOTATION, Image
from sandbox.engine.content.store import Store

__all__ = ["inside", "remove_tree", "unpack", "unpack_base", "unpack_layer"]

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


def unpack(store: Store, image: Image, root: Path) -> set[str]:
    """
    Unpack the layers, except that of the host's own Python.

    Args:
        store: Has the layers.
        image: The image.
        root: A new folder, used by one container only.

    Returns:
        Names that the layers delete, which the host's Python may have.
    """
    root.mkdir(parents=True)
    removed: set[str] = set()
    for layer in image.manifest["layers"]:
        if BASE_ANNOTATION not in layer.get("annotations", {}):
            unpack_layer(store.path(layer["digest"]), root, removed)
    return removed


def unpack_base(store: Store, digest: str) -> Path:
    """
    The files of the host's own Python: unpacked on first use, then kept beside the store.

    Args:
        store: Has the layer.
        digest: The layer's.
    """
    place = store.roots / digest.removeprefix("sha256:")
    if not place.exists():
        made = Path(tempfile.mkdtemp(dir=store.roots, prefix="new-"))
        unpack_layer(store.path(digest), made, set())
        add_bytecode(made)
        made.chmod(0o755)
        try:
            made.rename(place)
        except OSError:  # another sandbox was faster
            shutil.rmtree(made)
    return place


def remove_tree(folder: Path) -> None:
    """Delete a folder, including folders that their owner has closed, as the kernel does."""

    def open_up(act: Callable[[str], object], path: str, _: object) -> None:
        for closed in (Path(path).parent, Path(path)):
            # What is outside of the folder may be anybody's, for example /tmp.
            if closed.is_relative_to(folder) and not closed.is_symlink():
                with contextlib.suppress(OSError):
                    closed.chmod(0o700)
        with contextlib.suppress(OSError):
            if act in (os.rmdir, os.unlink):
                act(path)
            else:
                shutil.rmtree(path, ignore_errors=True)

    shutil.rmtree(folder, onerror=open_up)


def inside(root: Path, path: str) -> Path:
    """Where a path of the image is on this machine."""
    return root / posixpath.normpath("/" + path).lstrip("/")


def unpack_layer(file: Path, root: Path, removed: set[str]) -> None:
    """
    Unpack a layer over what is there.

    Args:
        file: The layer's.
        root: Where.
        removed: Names that layers delete; kept up to date.
    """
    with tarfile.open(file, "r:*") as tar:
        for member in tar:
            folder, _, name = posixpath.normpath("/" + member.name).rpartition("/")
            if name == _OPAQUE:
                _clear(inside(root, folder))
            elif name.startswith(_WHITEOUT):
                gone = f"{folder}/{name.removeprefix(_WHITEOUT)}"
                removed.add(gone.lstrip("/"))
                _remove(inside(root, gone))
            elif member.isfile() or member.isdir() or member.islnk() or member.issym():
                # Devices are left out: they need root, and a plain process cannot use them.
                removed.discard(f"{folder}/{name}".lstrip("/"))
                _make_way(member, inside(root, f"{folder}/{name}"))
                tar.extract(next(contained(tar, [member], root)), root)


def _make_way(member: tarfile.TarInfo, place: Path) -> None:
    """Remove what an upper layer replaces by something of another kind, or by a link."""
    if place.is_symlink() or (place.exists() and not (member.isdir() and place.is_dir())):
        _remove(place)


def _clear(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        for path in folder.iterdir():
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
