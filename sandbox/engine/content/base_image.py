"""
A base image for Python programs, made from the Python that runs the sandbox.

It needs no registry. It has the host's interpreter, its standard library and the shared libraries
that they load, which is also enough for a container of a real Docker engine.
"""

import importlib.util
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
    "BASE_SITE",
    "add_bytecode",
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
    {
        "bin",
        "dev",
        "etc",
        "lib",
        "proc",
        "root",
        "sys",
        "tmp",
        "usr",
        "usr/local",
        "usr/local/bin",
        "usr/local/lib",
    }
)
"""Folders that it has on every machine."""

_VERSION: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
_STDLIB: Final = f"usr/local/{sys.platlibdir}/{_VERSION}"
BASE_SITE: Final = f"{_STDLIB}/sitecustomize.py"
"""An empty file that every Python program in it runs."""

# Programs that a RUN commonly uses, as far as this machine has them.
_TOOLS: Final = """
    awk base64 basename bash cat chgrp chmod chown cksum cmp comm cp cut date dd df diff dirname du
    echo egrep env expr false fgrep find fold grep groups gunzip gzip head hostname id install join
    ln ls md5sum mkdir mkfifo mktemp mv nice nl nohup nproc od paste printenv printf pwd readlink
    realpath rm rmdir sed seq sh sha1sum sha256sum sha512sum shuf sleep sort split stat sync tac
    tail tar tee test timeout touch tr true truncate tty uname uniq unlink wc whoami xargs yes
"""
_TOOLS_PATH: Final = "/usr/bin:/bin:/usr/sbin:/sbin"
_PIP: Final = """#!/bin/sh
for wheel in /usr/local/lib*/python3*/ensurepip/_bundled/pip-*.whl; do
  [ -f "$wheel" ] && exec python3 "$wheel/pip" "$@"
done
echo "pip: not part of this machine's Python" >&2
exit 127
"""
_FORMAT: Final = 3
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
    # Places for what a container has of the machine.
    "etc/hosts": "",
    "etc/resolv.conf": "",
    BASE_SITE: "",
    "usr/local/bin/pip": _PIP,
    "usr/local/bin/pip3": _PIP,
}
_EMPTY_FOLDERS: Final = {"dev": 0o755, "proc": 0o555, "root": 0o700, "sys": 0o555, "tmp": 0o1777}


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
    programs, links = _programs(python)
    files = {**programs, **_written_files(scratch)}
    yield from _folders([*files, *links])
    for name, mode in _EMPTY_FOLDERS.items():
        yield Entry(name, mode)
    for name, path in files.items():
        runs = path.stat().st_mode & 0o100 or "/bin/" in name
        yield Entry(name, 0o755 if runs else 0o644, source=path)
    for name, target in links.items():
        yield Entry(name, 0o777, target=target)


def _programs(python: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """
    The interpreter, its library and the tools, with what they load, by name in the image; and the
    links to them.
    """
    tools, links = _tools()
    files = {f"usr/local/bin/{_VERSION}": python, **tools}
    links |= {"usr/local/bin/python3": _VERSION, "usr/local/bin/python": _VERSION}
    for name, path in _library(Path(sysconfig.get_path("stdlib"))):
        files[f"{_STDLIB}/{name}"] = path
    programs = [path for name, path in files.items() if name.endswith(".so") or "bin/" in name]
    return {**files, **_shared_libraries(programs)}, links


def _tools() -> tuple[dict[str, Path], dict[str, str]]:
    """Shell and tools, and links where one program is several of them."""
    files: dict[str, Path] = {}
    links: dict[str, str] = {}
    first: dict[Path, str] = {}
    for tool in _TOOLS.split():
        found = shutil.which(tool, path=_TOOLS_PATH)
        if found is None:
            continue
        program = Path(found).resolve()
        if program in first:
            links[f"bin/{tool}"] = first[program]
        else:
            first[program] = tool
            files[f"bin/{tool}"] = program
    return files, links


def add_bytecode(root: Path) -> None:
    """
    Give the unpacked base image the bytecode of the host's library.

    Without it, every container would compile what it imports.
    """
    for name, source in _library(Path(sysconfig.get_path("stdlib"))):
        compiled = Path(importlib.util.cache_from_source(source))
        place = root / _STDLIB / name
        if source.suffix == ".py" and compiled.is_file() and place.is_file():
            times = source.stat()
            # Python compares them with those in the bytecode.
            os.utime(place, ns=(times.st_mtime_ns, times.st_mtime_ns))
            cache = place.parent / "__pycache__"
            cache.mkdir(exist_ok=True)
            shutil.copyfile(compiled, cache / compiled.name)


def _written_files(scratch: Path) -> dict[str, Path]:
    files = {}
    for name, content in _FILES.items():
        files[name] = scratch / name.replace("/", "-")
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
