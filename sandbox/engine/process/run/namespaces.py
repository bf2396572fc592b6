"""
A root file system of its own for each program, where the kernel allows user namespaces.

The image's own files are unpacked for the container. They lie over the base image, which is
unpacked once for all containers.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from sandbox.engine.base import ContainerSpec
from sandbox.engine.content.base_image import BASE_SITE
from sandbox.engine.content.image import Image
from sandbox.engine.content.store import Store
from sandbox.engine.process.run.program import Program, image_command, program_environment
from sandbox.engine.process.run.rootfs import remove_tree, unpack_base

__all__ = ["RootPlan", "contained_program", "entered", "root_plan", "why_unavailable"]

_ENTER: Final = Path(__file__).with_name("enter.py")
_INSIDE: Final = Path(__file__).with_name("inside") / "sitecustomize.py"
_SHARED: Final = ("/proc", "/sys", "/dev", "/etc/resolv.conf", "/etc/hosts")
"""What a container has of the machine."""
_TRY_SECONDS: Final = 20


@dataclass(frozen=True)
class RootPlan:
    """What `enter.py` mounts."""

    lower: tuple[str, ...]
    """Folders that are only read, the uppermost first."""
    upper: str
    """Folder that what is written goes to; its files cover those of the lower ones."""
    work: str
    """Empty folder beside it, for the kernel."""
    root: str
    """Empty folder to mount on."""
    binds: tuple[tuple[str, str], ...]
    """Files and folders of the machine, and where they are in the image."""
    folders: tuple[str, ...]
    """Folders to make."""
    cwd: str
    removed: tuple[str, ...] = ()
    """Names to delete first."""


def why_unavailable(folder: Path) -> str | None:
    """
    Why programs cannot have a root of their own on this machine; None when they can.

    Args:
        folder: Where containers will be.
    """
    with tempfile.TemporaryDirectory(dir=folder) as made:
        lower = Path(made, "lower", "present")
        lower.mkdir(parents=True)
        (lower / "file").touch()
        plan = _plan(Path(made), [lower.parent], (), (), "/")
        tried = subprocess.run(
            entered(plan),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_TRY_SECONDS,
        )
        remove_tree(Path(made, "work"))
    if tried.returncode == 0:
        return None
    return tried.stderr.strip().rpartition("\n")[2] or f"exit code {tried.returncode}"


def root_plan(
    store: Store,
    folder: Path,
    settings: Mapping[str, Any],
    base: str | None,
    *,
    below: Iterable[Path] = (),
    removed: Collection[str] = (),
    serves: bool,
) -> RootPlan:
    """
    The root of a program.

    Args:
        store: Has the base image, and keeps its files.
        folder: Has the image's own files in `upper`.
        settings: The image's.
        base: Digest of the base image's layer; None without one.
        below: Further folders under them.
        removed: Names that the base image has, and the image has not.
        serves: Whether the program is a container's, and not a build's.
    """
    lower = list(below)
    binds = [(path, path) for path in _SHARED]
    if base:
        lower.append(unpack_base(store, base))
        if serves:
            binds.append((str(_INSIDE), f"/{BASE_SITE}"))
    cwd = str(settings.get("WorkingDir") or "/")
    volumes = tuple(settings.get("Volumes") or ())
    plan = _plan(folder, lower, binds, (cwd, *volumes), cwd)
    return replace(plan, removed=tuple(sorted(removed)))


def _plan(
    folder: Path,
    lower: list[Path],
    binds: Iterable[tuple[str, str]],
    folders: Iterable[str],
    cwd: str,
) -> RootPlan:
    for name in ("empty", "upper", "work", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    paths = lower or [folder / "empty"]
    return RootPlan(
        lower=tuple(map(str, paths)),
        upper=str(folder / "upper"),
        work=str(folder / "work"),
        root=str(folder / "root"),
        binds=tuple(binds),
        folders=tuple(folders),
        cwd=cwd,
    )


def entered(plan: RootPlan, *command: str) -> list[str]:
    """
    The command line that runs a command in a root of its own.

    The kernel counts the thread that starts it as the parent: that thread has to live as long.
    """
    described = json.dumps(asdict(plan))
    return [sys.executable, "-I", "-S", str(_ENTER), str(os.getpid()), described, *command]


def contained_program(
    store: Store,
    image: Image,
    spec: ContainerSpec,
    folder: Path,
    address: str,
    removed: Collection[str],
) -> Program:
    """
    A container's program.

    Args:
        store: Has the base image.
        image: The container's.
        spec: What to run.
        folder: Has the image's own files in `upper`.
        address: The container's.
        removed: As `root_plan`.
    """
    settings, base = image.settings, image.base_digest
    plan = root_plan(store, folder, settings, base, removed=removed, serves=True)
    environment = program_environment(image.settings, spec.environment, spec.name)
    return Program(
        arguments=entered(plan, *image_command(image, spec)),
        environment={**environment, "SPLIT_SANDBOX_ADDRESS": address},
        folder=folder,
    )
