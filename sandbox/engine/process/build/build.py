"""Builds an image from a Dockerfile with files and settings only, which needs no container."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sandbox.engine.content.base_image import (
    BASE_FOLDERS,
    BASE_IMAGE,
    BASE_SETTINGS,
    base_layer,
    is_base,
)
from sandbox.engine.content.image import ARCHITECTURE, Image, save_image
from sandbox.engine.content.layer import Entry, Layer, content_key, write_layer
from sandbox.engine.content.store import Store
from sandbox.engine.process.build.context import NotInContext, copied, folders
from sandbox.engine.process.build.dockerfile import BuildRefused, Instruction, read_dockerfile
from sandbox.engine.process.build.words import (
    InvalidWords,
    expand,
    json_words,
    key_values,
    split_words,
)

__all__ = ["Build", "BuildRequest"]


_ARCHIVE: Final = re.compile(r".*\.(tar|tar\.\w+|tgz|tbz2?|txz)")


@dataclass(frozen=True)
class BuildRequest:
    """A client's request for a build."""

    context: Path
    """The unpacked context."""
    dockerfile: str = "Dockerfile"
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    """`os/architecture`; empty for the host's."""


class Build:
    """
    One build.

    Args:
        store: Where the layers are put, and found again by their content.
        request: What to build.
    """

    def __init__(self, store: Store, request: BuildRequest) -> None:
        self._store, self._request = store, request
        self._settings: dict[str, Any] = {}
        self._arguments: dict[str, str] = {}
        self._layers: list[Layer] = []
        self._history: list[dict[str, Any]] = []
        self._base: Layer | None = None
        self._folders: set[str] = set()
        self.image: Image | None = None
        """The image, when `run` has ended."""

    def run(self) -> Iterator[str]:
        """
        Build; yields Docker's progress lines.

        Raises:
            BuildRefused: The Dockerfile needs a real engine, or is not valid.
        """
        _check_platform(self._request.platform.lower())
        instructions = self._read()
        for number, instruction in enumerate(instructions, 1):
            yield f"Step {number}/{len(instructions)} : {instruction.name} {instruction.value}"
            try:
                yield from self._carry_out(instruction)
            except (InvalidWords, NotInContext) as error:
                raise instruction.refused(str(error), "correct the Dockerfile") from None
        if self._request.labels:
            self._settings.setdefault("Labels", {}).update(self._request.labels)
        self.image = save_image(
            self._store, self._settings, self._layers, self._history, self._base
        )
        yield f"Successfully built {self.image.id.removeprefix('sha256:')[:12]}"

    def _read(self) -> list[Instruction]:
        name = posixpath.normpath("/" + self._request.dockerfile).lstrip("/")
        path = self._request.context / name
        if not path.is_file():
            raise BuildRefused(
                f"dockerfile: {self._request.dockerfile} is not in the build context; give the "
                "path of another one"
            )
        content = path.read_bytes()
        if path.name.startswith(".dockerfile."):
            # docker-py puts a Dockerfile from outside the context in it, where COPY must not find
            # it.
            path.unlink()
        return read_dockerfile(content)

    def _carry_out(self, instruction: Instruction) -> Iterator[str]:
        match instruction.name:
            case "FROM":
                note = self._start_from(instruction)
                self._remember(instruction, empty=not self._layers)
                yield f" ---> {note}"
            case "COPY" | "ADD":
                yield from self._copy(instruction)
            case "WORKDIR":
                yield from self._enter(instruction.value)
            case _:
                self._set(instruction)
                self._remember(instruction, empty=True)

    def _set(self, instruction: Instruction) -> None:
        """Carry out an instruction that changes only settings."""
        match instruction.name:
            case "ARG":
                self._declare(instruction.value)
            case "CMD" | "ENTRYPOINT":
                self._set_command(instruction)
            case "ENV":
                self._set_environment(key_values(instruction.value, self._variables))
            case "EXPOSE":
                self._expose(instruction.value)
            case "LABEL":
                pairs = key_values(instruction.value, self._variables)
                self._settings.setdefault("Labels", {}).update(pairs)
            case "USER":
                self._settings["User"] = self._expand(instruction.value)
            case "STOPSIGNAL":
                self._settings["StopSignal"] = self._expand(instruction.value)

    def _expose(self, value: str) -> None:
        exposed = self._settings.setdefault("ExposedPorts", {})
        for word in split_words(value):
            port = self._expand(word)
            exposed[port if "/" in port else f"{port}/tcp"] = {}

    @property
    def _environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self._settings.get("Env", ()))

    @property
    def _variables(self) -> dict[str, str]:
        """ENV overrides ARG."""
        return {**self._arguments, **self._environment}

    def _expand(self, word: str) -> str:
        return expand(word, self._variables)

    def _remember(self, instruction: Instruction, *, empty: bool) -> None:
        entry: dict[str, Any] = {"created_by": f"{instruction.name} {instruction.value}"}
        if empty:
            entry["empty_layer"] = True
        self._history.append(entry)

    def _start_from(self, instruction: Instruction) -> str:
        words = split_words(instruction.value)
        images = [word for word in words if not word.startswith("--platform")]
        reference = self._expand(images[0]) if images else ""
        # An ARG before FROM applies only to FROM.
        self._arguments = {}
        if reference == "scratch":
            return "an empty image"
        if not is_base(reference):
            raise instruction.refused(
                f"{reference!r} cannot be pulled by the embedded engine, whose only base image is "
                f"{BASE_IMAGE} (also used for python:*)"
            )
        self._base = base_layer(self._store)
        self._layers.append(self._base)
        self._folders |= BASE_FOLDERS
        self._settings = {key: list(value) for key, value in BASE_SETTINGS.items()}
        if reference.partition(":")[0] == BASE_IMAGE:
            return self._base.digest.removeprefix("sha256:")[:12]
        return f"{reference} is not pulled: the embedded engine uses this machine's Python instead"

    def _declare(self, value: str) -> None:
        for word in split_words(value):
            name, equals, default = word.partition("=")
            if name in self._request.arguments:
                self._arguments[name] = self._request.arguments[name]
            elif equals:
                self._arguments[name] = self._expand(default)

    def _set_command(self, instruction: Instruction) -> None:
        words = json_words(instruction.value)
        command = ["/bin/sh", "-c", instruction.value] if words is None else words
        if instruction.name == "CMD":
            self._settings["Cmd"] = command
            return
        self._settings["Entrypoint"] = command
        if self._settings.get("Cmd") == BASE_SETTINGS["Cmd"]:
            # The base image's command is not meant for another entry point.
            self._settings["Cmd"] = []

    def _set_environment(self, pairs: Mapping[str, str]) -> None:
        merged = {**self._environment, **pairs}
        self._settings["Env"] = [f"{name}={value}" for name, value in merged.items()]

    def _enter(self, value: str) -> Iterator[str]:
        folder = posixpath.normpath(self._absolute(self._expand(value)))
        self._settings["WorkingDir"] = folder
        name = folder.lstrip("/")
        entries = [*folders(name), Entry(name, 0o755)] if name else []
        yield from self._add_layer(Instruction(0, "WORKDIR", folder), entries)

    def _copy(self, instruction: Instruction) -> Iterator[str]:
        words = json_words(instruction.value) or split_words(instruction.value)
        flags = [word for word in words if word.startswith("--")]
        paths = [self._expand(word) for word in words if not word.startswith("--")]
        mode, notes = _read_flags(instruction, flags)
        yield from notes
        if len(paths) < 2:
            raise instruction.refused("needs a source and a destination", "correct the Dockerfile")
        *sources, target = paths
        if instruction.name == "ADD" and any(map(_is_url_or_archive, sources)):
            raise instruction.refused(
                "ADD of a URL or an archive is not supported by the embedded engine"
            )
        place = self._absolute(target)
        if target in (".", "..") or posixpath.normpath(place).lstrip("/") in self._folders:
            # Files copied to an existing folder are put in it.
            place += "/"
        yield from self._add_layer(instruction, copied(self._request.context, sources, place, mode))

    def _absolute(self, path: str) -> str:
        return posixpath.join(self._settings.get("WorkingDir") or "/", path)

    def _add_layer(self, instruction: Instruction, entries: list[Entry]) -> Iterator[str]:
        # An existing folder keeps its mode: copying a file into /tmp must not close it to others.
        new = [entry for entry in entries if not (entry.is_folder and entry.name in self._folders)]
        self._folders |= {entry.name for entry in new if entry.is_folder}
        self._remember(instruction, empty=not new)
        if not new:
            return
        layer, existed = write_layer(self._store, content_key(new), new)
        self._layers.append(layer)
        if existed:
            yield " ---> Using cache"
        yield f" ---> {layer.digest.removeprefix('sha256:')[:12]}"


def _check_platform(platform: str) -> None:
    supported = (["linux", ARCHITECTURE], [ARCHITECTURE])
    if platform and platform.split("/")[:2] not in supported:
        raise BuildRefused(
            f"platform: {platform} is not linux/{ARCHITECTURE}, this machine's; build for that, "
            "or use a Docker engine: --engine docker"
        )


def _is_url_or_archive(source: str) -> bool:
    is_remote = "://" in source or source.startswith("git@")
    return is_remote or bool(_ARCHIVE.fullmatch(source))


def _read_flags(instruction: Instruction, flags: list[str]) -> tuple[int | None, list[str]]:
    """The mode of --chmod, and notes about flags that have no effect here."""
    mode: int | None = None
    notes: list[str] = []
    for flag in flags:
        name, _, value = flag.partition("=")
        if name == "--chmod" and re.fullmatch(r"0?[0-7]{3,4}", value):
            mode = int(value, 8)
        elif name == "--chown":
            notes.append(
                f" ---> {flag} has no effect: the embedded engine runs tasks as the sandbox's user"
            )
        elif name != "--link":
            raise instruction.refused(f"{flag} is not supported by the embedded engine")
    return mode, notes
