"""
Programs without a root of their own, where the kernel allows no user namespaces.

They see the machine's files. So paths of the image in the command line are replaced by their places
on this machine, and Python is the machine's. The environment stays as it was given, except that
PATH and PYTHONPATH begin with folders of the sandbox.
"""

import re
from pathlib import Path
from typing import Final

from sandbox.engine.base import ContainerSpec
from sandbox.engine.content.image import Image
from sandbox.engine.process.run.program import Program, image_command, program_environment
from sandbox.engine.process.run.rootfs import inside
from sandbox.launcher import launched

__all__ = ["plain_command", "plain_environment", "plain_program"]

_WORD: Final = re.compile(r"(?<![\w./@%+-])/[\w./@%+-]+")
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_INSIDE: Final = Path(__file__).with_name("inside")


def plain_program(
    image: Image, spec: ContainerSpec, root: Path, address: str, programs: Path
) -> Program:
    """
    A container's program.

    Args:
        image: Its image.
        spec: What to run.
        root: The unpacked image.
        address: The container's.
        programs: Folder with `python` and `python3`.
    """
    folder = inside(root, image.settings.get("WorkingDir") or "/")
    folder.mkdir(parents=True, exist_ok=True)
    for volume in image.settings.get("Volumes") or ():
        inside(root, volume).mkdir(parents=True, exist_ok=True)
    return Program(
        arguments=launched(*plain_command(image, spec, root)),
        environment=plain_environment(image, spec, root, address, programs),
        folder=folder,
    )


def plain_command(image: Image, spec: ContainerSpec, root: Path) -> list[str]:
    """The command line, whose Python is the host's, found on PATH."""
    program, *arguments = image_command(image, spec)
    of_the_host = Path(program).is_absolute() and not inside(root, program).exists()
    if of_the_host and program != "/bin/sh":
        program = Path(program).name
    return [_paths_inside(root, word) for word in (program, *arguments)]


def _paths_inside(root: Path, text: str) -> str:
    """The text with absolute paths of the image replaced by their places on this machine."""

    def where(found: re.Match[str]) -> str:
        path = inside(root, found[0])
        return str(path) if path != root and path.exists() else found[0]

    return _WORD.sub(where, text)


def plain_environment(
    image: Image, spec: ContainerSpec, root: Path, address: str, programs: Path
) -> dict[str, str]:
    """The program's whole environment."""
    given = program_environment(image.settings, spec.environment, spec.name, home=str(root))
    packages = given.get("PYTHONPATH", "")
    found = [_paths_inside(root, packages), packages] if packages else []
    return {
        **given,
        "PATH": f"{programs}:{given['PATH']}:{_PATH}",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": ":".join([str(_INSIDE), *dict.fromkeys(found)]),
        "SPLIT_SANDBOX_ADDRESS": address,
        "SPLIT_SANDBOX_PLAIN": packages or "none",
    }
