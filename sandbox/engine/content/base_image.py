"""
A base image for Python programs, made from the Python that runs the sandbox.

Where no registry can be reached no base image can be pulled, so this one needs none: the host's
interpreter, its standard library and the shared libraries they load, which is enough for a
container of a real Docker engine too.
"""

import json
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
    "stands_for_base",
]

BASE_IMAGE: Final = "split-sandbox/python"
"""What a Dockerfile may name in FROM on either engine."""
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
    }
    | {"ensurepip", "lib2to3", "pydoc_data"}
)
_LEFT_OUT_PREFIXES: Final = ("config-", "_tkinter.", "_test", "xxlimited")
_FILES: Final = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    ),
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def stands_for_base(reference: str) -> bool:
    """
    Whether an image reference is this base image, or one of the public Python images that it stands
    in for.
    """
    return reference.partition(":")[0] == BASE_IMAGE or bool(_PYTHON.fullmatch(reference))


def host_python() -> Path:
    """The interpreter below the virtual environment, if there is one."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def base_layer(store: Store) -> Layer:
    """The base image's only layer: made on first use, then kept in the store."""
    python = host_python()
    status = python.stat()
    key = json.dumps(
        ["base", _FORMAT, str(python), status.st_size, status.st_mtime_ns, sys.version]
    )
    known = store.recall(key)
    if known and store.has(known["digest"]):
        return Layer(**known)
    with tempfile.TemporaryDirectory() as scratch:
        return write_layer(store, key, list(_entries(python, Path(scratch))))[0]


def _entries(python: Path, scratch: Path) -> Iterator[Entry]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    files = {f"usr/local/bin/{version}": python}
    files |= {
        f"usr/local/{sys.platlibdir}/{version}/{name}": path
        for name, path in _library(Path(sysconfig.get_path("stdlib")))
    }
    shell = shutil.which("sh")
    if shell:
        files["bin/sh"] = Path(shell).resolve()
    programs = [path for name, path in files.items() if name.endswith(".so") or "bin/" in name]
    files |= _shared_libraries(programs)
    for name, content in _FILES.items():
        files[name] = scratch / Path(name).name
        files[name].write_text(content, encoding="utf-8")
    links = {"usr/local/bin/python3": version, "usr/local/bin/python": version}
    yield from _folders([*files, *links])
    yield Entry("tmp", 0o1777)
    yield Entry("root", 0o700)
    for name, path in files.items():
        yield Entry(name, 0o755 if path.stat().st_mode & 0o100 else 0o644, source=path)
    for name, target in links.items():
        yield Entry(name, 0o777, target=target)


def _library(root: Path) -> Iterator[tuple[str, Path]]:
    """The standard library's files, under their names relative to it."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        left_out = any(
            part in _LEFT_OUT or part.startswith(_LEFT_OUT_PREFIXES) for part in name.parts
        )
        if not left_out and path.is_file():
            yield str(name), path


def _shared_libraries(programs: list[Path]) -> dict[str, Path]:
    """
    What the programs load, by name in the image.

    A library that the host finds through a path of its own lies beside libc there, where the loader
    always looks.
    """
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    found = sorted({Path(path) for path in _LIBRARY.findall(listed)})
    libc = next(
        (path.parent for path in found if path.name.startswith(("libc.so", "libc.musl"))),
        Path("/lib"),
    )
    system = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")
    return {
        str(path if str(path).startswith(system) else libc / path.name).lstrip("/"): path.resolve()
        for path in found
    }


def _folders(names: list[str]) -> Iterator[Entry]:
    parents = {str(parent) for name in names for parent in Path(name).parents} - {"."}
    return (Entry(parent, 0o755) for parent in sorted(parents))
