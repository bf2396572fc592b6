"""Builds an image from a Dockerfile: its stages one after the other."""

import posixpath
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandbox.engine.content.base_image import BASE_IMAGE, is_base
from sandbox.engine.content.image import ARCHITECTURE, Image, save_image
from sandbox.engine.content.layer import Entry
from sandbox.engine.content.store import Store
from sandbox.engine.process.build.check import Abilities, copy_flags, find_refusals, from_words
from sandbox.engine.process.build.context import NotInContext, copied, folders
from sandbox.engine.process.build.dockerfile import BuildRefused, Instruction, read_dockerfile
from sandbox.engine.process.build.run import run
from sandbox.engine.process.build.settings import change_settings, environment_of
from sandbox.engine.process.build.stage import Stage
from sandbox.engine.process.build.tree import Tree
from sandbox.engine.process.build.words import InvalidWords, expand, split_words
from sandbox.engine.process.run.rootfs import remove_tree

__all__ = ["Build", "BuildRequest"]

_PLATFORM: Final = {"OS": "linux", "ARCH": ARCHITECTURE, "PLATFORM": f"linux/{ARCHITECTURE}"}


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
    target: str = ""
    """Name of the last stage to build; empty for all."""


class Build:
    """
    One build.

    Args:
        store: Where the layers are put, and found again by their content.
        request: What to build.
        abilities: Of the engine.
        find_image: Returns an image that the engine has, or can pull.
    """

    def __init__(
        self,
        store: Store,
        request: BuildRequest,
        abilities: Abilities,
        find_image: Callable[[str], Image | None],
    ) -> None:
        self._store, self._request = store, request
        self._abilities, self._find_image = abilities, find_image
        self._globals = {f"TARGET{name}": value for name, value in _PLATFORM.items()}
        self._globals |= {f"BUILD{name}": value for name, value in _PLATFORM.items()}
        self._stages: list[Stage] = []
        self._names: dict[str, Stage] = {}
        self._folder = Path()
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
        refusals = find_refusals(instructions, self._request.arguments, self._abilities)
        if refusals:
            raise BuildRefused("\n".join(map(str, refusals)))
        self._folder = Path(tempfile.mkdtemp(dir=self._request.context.parent, prefix="stages-"))
        try:
            yield from self._run_all(instructions)
        finally:
            remove_tree(self._folder)

    def _run_all(self, instructions: list[Instruction]) -> Iterator[str]:
        for number, instruction in enumerate(instructions, 1):
            if instruction.name == "FROM" and self._has_target():
                break
            yield f"Step {number}/{len(instructions)} : {instruction.name} {instruction.value}"
            try:
                yield from self._carry_out(instruction)
            except (InvalidWords, NotInContext) as error:
                raise instruction.refused(str(error), "correct the Dockerfile") from None
        if self._request.target and not self._has_target():
            raise BuildRefused(f"target: no stage {self._request.target}; name one of FROM … AS")
        stage = self._stages[-1]
        if self._request.labels:
            stage.settings.setdefault("Labels", {}).update(self._request.labels)
        self.image = save_image(
            self._store, stage.settings, stage.layers, stage.history, stage.base
        )
        yield f"Successfully built {self.image.id.removeprefix('sha256:')[:12]}"

    def _has_target(self) -> bool:
        """Whether the stage that was asked for is complete."""
        return self._request.target.lower() in self._names

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
            # Clients put a Dockerfile from outside the context in it, where COPY must not find it.
            path.unlink()
        return read_dockerfile(content)

    def _carry_out(self, instruction: Instruction) -> Iterator[str]:
        match instruction.name:
            case "FROM":
                yield from self._start_from(instruction)
            case "ARG":
                self._declare(instruction)
            case "COPY" | "ADD":
                yield from self._copy(instruction)
            case "RUN":
                yield from run(self._stages[-1], instruction, self._abilities)
            case "WORKDIR":
                yield from self._enter(instruction.value)
            case _:
                stage = self._stages[-1]
                change_settings(stage.settings, instruction, self._variables)
                stage.remember(f"{instruction.name} {instruction.value}", empty=True)

    @property
    def _variables(self) -> dict[str, str]:
        """ENV overrides ARG."""
        stage = self._stages[-1]
        return {**stage.arguments, **environment_of(stage.settings)}

    def _expand(self, word: str) -> str:
        return expand(word, self._variables)

    def _start_from(self, instruction: Instruction) -> Iterator[str]:
        image, name = from_words(instruction.value)
        reference = expand(image, self._globals)
        stage = self._new_stage(instruction, reference)
        self._stages.append(stage)
        self._names[name or f"stage {len(self._stages)}"] = stage
        stage.remember(f"FROM {instruction.value}", empty=not stage.layers)
        yield f" ---> {_described(reference, stage)}"
        for trigger in stage.settings.pop("OnBuild", ()):
            kind, _, value = trigger.partition(" ")
            yield f"# Executing ONBUILD {trigger}"
            yield from self._carry_out(Instruction(instruction.line, kind.upper(), value.strip()))

    def _new_stage(self, instruction: Instruction, reference: str) -> Stage:
        """A stage that begins with an earlier one, the base image, or an image of the engine."""
        stage = Stage(self._store, self._folder / str(len(self._stages)))
        if reference.lower() in self._names:
            stage.start_from_stage(self._names[reference.lower()])
        elif is_base(reference):
            stage.start_from_base()
        elif reference != "scratch":
            stage.start_from_image(self._image(instruction, reference))
        return stage

    def _image(self, instruction: Instruction, reference: str) -> Image:
        image = self._find_image(reference)
        if image is None:
            raise instruction.refused(f"{reference!r} cannot be pulled by the embedded engine")
        return image

    def _declare(self, instruction: Instruction) -> None:
        """Declare arguments: before the first FROM for FROM, later for the stage."""
        stage = self._stages[-1] if self._stages else None
        known = stage.arguments if stage else self._globals
        for word in split_words(instruction.value):
            name, equals, default = word.partition("=")
            if name in self._request.arguments:
                known[name] = self._request.arguments[name]
            elif equals:
                known[name] = expand(default, self._variables if stage else known)
            elif name in self._globals:
                known[name] = self._globals[name]
        if stage:
            stage.remember(f"ARG {instruction.value}", empty=True)

    def _enter(self, value: str) -> Iterator[str]:
        stage = self._stages[-1]
        folder = posixpath.normpath(self._absolute(self._expand(value)))
        stage.settings["WorkingDir"] = folder
        name = folder.lstrip("/")
        entries = [*folders(name), Entry(name, 0o755)] if name else []
        yield from stage.add_layer(f"WORKDIR {folder}", entries)

    def _copy(self, instruction: Instruction) -> Iterator[str]:
        flags, words = copy_flags(instruction)
        yield from flags.notes
        *sources, target = [self._expand(word) for word in words]
        stage = self._stages[-1]
        place = self._absolute(target)
        if target in (".", "..") or posixpath.normpath(place).lstrip("/") in stage.folders:
            # Files copied to an existing folder are put in it.
            place += "/"
        entries = copied(self._source(instruction, flags.source), sources, place, flags.mode)
        yield from stage.add_layer(f"{instruction.name} {instruction.value}", entries)

    def _source(self, instruction: Instruction, name: str) -> Tree:
        """Where a COPY takes its files from: the context, a stage, or an image."""
        if not name:
            return Tree(self._request.context)
        if name.isdigit():
            return self._stages[int(name)].tree()
        if name.lower() in self._names:
            return self._names[name.lower()].tree()
        stage = Stage(self._store, self._folder / f"from-{len(self._names)}-{instruction.line}")
        if is_base(name):
            stage.start_from_base()
        else:
            stage.start_from_image(self._image(instruction, name))
        return stage.tree()

    def _absolute(self, path: str) -> str:
        return posixpath.join(self._stages[-1].settings.get("WorkingDir") or "/", path)


def _described(reference: str, stage: Stage) -> str:
    """What a FROM has begun with."""
    if not stage.layers:
        return "an empty image"
    if is_base(reference) and reference.partition(":")[0] != BASE_IMAGE:
        return f"{reference} is not pulled: the embedded engine uses this machine's Python instead"
    return stage.layers[-1].digest.removeprefix("sha256:")[:12]


def _check_platform(platform: str) -> None:
    supported = (["linux", ARCHITECTURE], [ARCHITECTURE])
    if platform and platform.split("/")[:2] not in supported:
        raise BuildRefused(
            f"platform: {platform} is not linux/{ARCHITECTURE}, this machine's; build for that, "
            "or use a Docker engine: --engine docker"
        )
