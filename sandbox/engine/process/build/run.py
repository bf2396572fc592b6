"""RUN: a command in a stage's files, and the layer of what it changes."""

import contextlib
import json
import os
import signal
import stat
import subprocess
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sandbox.engine.content.base_image import BASE_SITE
from sandbox.engine.content.layer import Entry, Layer, content_key, write_layer
from sandbox.engine.process.build.check import Abilities
from sandbox.engine.process.build.dockerfile import Instruction
from sandbox.engine.process.build.settings import shell_of
from sandbox.engine.process.build.stage import Stage
from sandbox.engine.process.build.words import json_words
from sandbox.engine.process.run.namespaces import entered, root_plan
from sandbox.engine.process.run.program import program_environment
from sandbox.engine.process.run.rootfs import remove_tree

__all__ = ["run"]

_OPAQUE_ATTRIBUTE: Final = "user.overlay.opaque"
_OPAQUE: Final = ".wh..wh..opq"
_WHITEOUT: Final = ".wh."
_NOTHING: Final = Path(os.devnull)
# What Python writes for the empty file that containers mount over.
_OWN: Final = f"{Path(BASE_SITE).parent}/__pycache__/sitecustomize."


def run(stage: Stage, instruction: Instruction, abilities: Abilities) -> Iterator[str]:
    """
    Carry out a RUN; yields its output and Docker's progress lines.

    The same command on the same layers, with the same variables, is not run again.

    Args:
        stage: The command runs in its files.
        instruction: The RUN.
        abilities: Of the engine.

    Raises:
        BuildRefused: It failed.
    """
    value = _without_flags(instruction.value)
    command = json_words(value) or [*shell_of(stage.settings), value]
    environment = program_environment(_with_arguments(stage), {}, "build")
    text = " ".join(command)
    key = _key(stage, command, environment)
    known = stage.store.recall(key)
    if known and (known["layer"] is None or stage.store.has(known["layer"]["digest"])):
        yield " ---> Using cache"
    else:
        known = yield from _run(stage, instruction, command, environment, abilities)
        stage.store.note(key, known)
    if known["layer"] is None:
        stage.remember(text, empty=True)
    else:
        yield from stage.add_existing(text, Layer(**known["layer"]), known["folders"])


def _without_flags(value: str) -> str:
    """The command; the only flag that is supported is the default."""
    while value.startswith("--"):
        _, _, value = value.partition(" ")
        value = value.lstrip()
    return value


def _with_arguments(stage: Stage) -> dict[str, Any]:
    """The stage's settings with its build arguments as variables; ENV overrides ARG."""
    arguments = [f"{name}={value}" for name, value in stage.arguments.items()]
    return {**stage.settings, "Env": [*arguments, *stage.settings.get("Env", ())]}


def _key(stage: Stage, command: list[str], environment: Mapping[str, str]) -> str:
    layers = [layer.digest for layer in stage.layers]
    folder = stage.settings.get("WorkingDir", "")
    return json.dumps(["run", layers, command, sorted(environment.items()), folder])


def _run(
    stage: Stage,
    instruction: Instruction,
    command: list[str],
    environment: Mapping[str, str],
    abilities: Abilities,
) -> Generator[str, None, dict[str, Any]]:
    """Run the command; returns a note about its layer for the store."""
    folder = stage.folder / "run"
    base = stage.base.digest if stage.base else None
    files = stage.files()
    plan = root_plan(
        stage.store,
        folder,
        {**stage.settings, "Volumes": {}},
        base,
        below=[files],
        removed=stage.removed,
        serves=False,
    )
    try:
        yield f" ---> Running {' '.join(command)}"
        code = yield from _output(entered(plan, *command), environment, abilities)
        if code != 0:
            raise instruction.refused(
                f"returned a non-zero code: {code}", "its output is above; correct the command"
            )
        return _saved(stage, Path(plan.upper))
    finally:
        remove_tree(folder)


def _output(
    command: list[str], environment: Mapping[str, str], abilities: Abilities
) -> Generator[str, None, int]:
    """Start the command, yield its lines, and return its exit code."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        with abilities.watching(process.pid):
            for line in process.stdout or ():
                yield line.decode(errors="replace").rstrip("\r\n")
            return process.wait()
    finally:
        # Also when the client hangs up. What a command leaves behind ends with it, as in Docker.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def _saved(stage: Stage, upper: Path) -> dict[str, Any]:
    """Put what the command has changed into the store."""
    entries = list(_changes(upper))
    files = [entry for entry in entries if not entry.is_folder]
    new = [entry for entry in entries if entry.is_folder and entry.name not in stage.folders]
    if not files and not new:
        return {"layer": None, "folders": []}
    layer, _ = write_layer(stage.store, content_key(entries), entries)
    return {"layer": asdict(layer), "folders": [entry.name for entry in new]}


def _changes(upper: Path) -> Iterator[Entry]:
    """
    The entries of a layer with what the kernel has recorded.

    Source: kernel.org, overlayfs, "whiteouts and opaque directories"; OCI image layer
        specification, "Whiteouts".
    """
    for place, folders, files in os.walk(upper):
        folder = Path(place).relative_to(upper)
        for name in sorted([*folders, *files]):
            path = Path(place, name)
            status = path.lstat()
            mode = stat.S_IMODE(status.st_mode)
            inside = str(folder / name)
            if inside.startswith(_OWN):
                continue
            if path.is_symlink():
                yield Entry(inside, 0o777, target=str(path.readlink()))
            elif path.is_dir():
                yield Entry(inside, mode)
                if _is_opaque(path):
                    yield Entry(f"{inside}/{_OPAQUE}", 0o644, source=_NOTHING)
            elif stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                yield Entry(str(folder / f"{_WHITEOUT}{name}"), 0o644, source=_NOTHING)
            elif path.is_file():
                yield Entry(inside, mode, source=path)


def _is_opaque(folder: Path) -> bool:
    """Whether it hides everything of the folders below it."""
    try:
        return os.getxattr(folder, _OPAQUE_ATTRIBUTE) == b"y"
    except OSError:
        return False
