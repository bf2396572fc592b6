"""
A base image for Python programs, made from the Python that runs the sandbox.

It needs no registry. It has the host's interpreter, its standard library and the shared libraries
that they load, which is also enough for a container of a real Docker engine.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sandbox.engine.content.layer import Entry, Layer, write_layer
from sandbox.engine.content.store import Store

__all__ = [
    "BASE_FOLDERS",
    "BASE_IMAGE",
    "BASE_SETTINGS",
    "base_layer",
    "host_python",
    "is_base",
]

BASE_IMAGE: Final = "split-sandbox/python"
"""The name for FROM in a Dockerfile, with either engine."""
BASE_SETTINGS: Final[dict[str, Any]] = {
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
    "Cmd": ["python3"],
}
BASE_FOLDERS: Final = frozenset(
    {"bin", "etc", "lib", "root", "tmp", "usr", "usr/local", "usr/local/bin", "usr/local/lib"}
)
"""Folders that it has on every machine."""

_FORMAT: Final = 2
_PYTHON: Final = re.compile(
    r"(?:docker\.io/|public\.ecr\.aws/docker/)?(?:library/)?python(?::[\w.-]+)?(?:@sha256:\w+)?"
)
_SYSTEM: Final = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")
_LIBRARY: Final = re.compile(r"(?:=> )?(/\S+) \(0x")
_LEFT_OUT: Final = frozenset(
    {
        "__pycache__",
        "site-packages",
        "dist-packages",
        "test",
        "tests",
        "idlelib",
        "idle_test",
        "tkinter",
        "turtledemo",
        "ensurepip",
        "lib2to3",
        "pydoc_data",
    }
)
_LEFT_OUT_PREFIXES: Final = ("config-", "_tkinter.", "_test", "xxlimited")
_FILES: Final = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    ),
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def is_base(reference: str) -> bool:
    """Whether a reference is this image, or a public Python image that it replaces."""
    return reference.partition(":")[0] == BASE_IMAGE or bool(_PYTHON.fullmatch(reference))


def host_python() -> Path:
    """The interpreter itself, outside any virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def base_layer(store: Store) -> Layer:
    """The base image's only layer: made on first use, then kept in the store."""
    python = host_python()
    status = python.stat()
    identity = [str(python), status.st_size, status.st_mtime_ns, sys.version]
    key = json.dumps(["base", _FORMAT, *identity])
    known = store.recall(key)
    if known and store.has(known["digest"]):
        return Layer(**known)
    with tempfile.TemporaryDirectory() as scratch:
        return write_layer(store, key, list(_entries(python, Path(scratch))))[0]


def _entries(python: Path, scratch: Path) -> Iterator[Entry]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    files = {**_programs(python, version), **_written_files(scratch)}
    links = {"usr/local/bin/python3": version, "usr/local/bin/python": version}
    yield from _folders([*files, *links])
    yield Entry("tmp", 0o1777)
    yield Entry("root", 0o700)
    for name, path in files.items():
        yield Entry(name, 0o755 if path.stat().st_mode & 0o100 else 0o644, source=path)
    for name, target in links.items():
        yield Entry(name, 0o777, target=target)


def _programs(python: Path, version: str) -> dict[str, Path]:
    """The interpreter, its library and a shell, with what they load, by name in the image."""
    files = {f"usr/local/bin/{version}": python}
    for name, path in _library(Path(sysconfig.get_path("stdlib"))):
        files[f"usr/local/{sys.platlibdir}/{version}/{name}"] = path
    shell = shutil.which("sh")
    if shell:
        files["bin/sh"] = Path(shell).resolve()
    programs = [path for name, path in files.items() if name.endswith(".so") or "bin/" in name]
    return {**files, **_shared_libraries(programs)}


def _written_files(scratch: Path) -> dict[str, Path]:
    files = {}
    for name, content in _FILES.items():
        files[name] = scratch / Path(name).name
        files[name].write_text(content, encoding="utf-8")
    return files


def _library(root: Path) -> Iterator[tuple[str, Path]]:
    """The standard library's files, by name relative to it."""
    for folder, folders, files in os.walk(root):
        # Pruned before os.walk descends: installed packages have far more files than the library.
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        for name in sorted(files):
            path = Path(folder, name)
            if not _is_left_out(name) and path.is_file():
                yield str(path.relative_to(root)), path


def _is_left_out(part: str) -> bool:
    return part in _LEFT_OUT or part.startswith(_LEFT_OUT_PREFIXES)


def _shared_libraries(programs: list[Path]) -> dict[str, Path]:
    """
    The libraries that the programs load, by name in the image.

    A library that the host finds through a path of its own is put beside libc, where the loader
    always looks.
    """
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    found = sorted({Path(path) for path in _LIBRARY.findall(listed)})
    libc = [path.parent for path in found if path.name.startswith(("libc.so", "libc.musl"))]
    beside_libc = libc[0] if libc else Path("/lib")
    libraries = {}
    for path in found:
        place = path if str(path).startswith(_SYSTEM) else beside_libc / path.name
        libraries[str(place).lstrip("/")] = path.resolve()
    return libraries


def _folders(names: list[str]) -> Iterator[Entry]:
    parents: set[str] = set()
    for name in names:
        parents |= {str(parent) for parent in Path(name).parents}
    return (Entry(parent, 0o755) for parent in sorted(parents - {"."}))
