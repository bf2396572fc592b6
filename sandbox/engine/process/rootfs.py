"""Unpacks an image's layers into a folder."""

import posixpath
import shutil
import tarfile
from pathlib import Path
from typing import Final

from sandbox.engine.content.contained import contained
from sandbox.engine.content.image import BASE_ANNOTATION, Image
from sandbox.engine.content.store import Store

__all__ = ["inside", "unpack"]

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


def unpack(store: Store, image: Image, root: Path) -> None:
    """
    Unpack the layers, except that of the host's own Python.

    Args:
        store: Has the layers.
        image: The image.
        root: A new folder, used by one container only.
    """
    root.mkdir(parents=True)
    for layer in image.manifest["layers"]:
        if BASE_ANNOTATION not in layer.get("annotations", {}):
            _unpack_layer(store.path(layer["digest"]), root)


def inside(root: Path, path: str) -> Path:
    """Where a path of the image is on this machine."""
    return root / posixpath.normpath("/" + path).lstrip("/")


def _unpack_layer(file: Path, root: Path) -> None:
    with tarfile.open(file, "r:*") as tar:
        for member in tar:
            folder, _, name = posixpath.normpath("/" + member.name).rpartition("/")
            if name == _OPAQUE:
                _clear(inside(root, folder))
            elif name.startswith(_WHITEOUT):
                _remove(inside(root, f"{folder}/{name.removeprefix(_WHITEOUT)}"))
            elif member.isfile() or member.isdir() or member.islnk() or member.issym():
                # Devices are left out: they need root, and a plain process cannot use them.
                tar.extract(next(contained(tar, [member], root)), root)


def _clear(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        for path in folder.iterdir():
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
