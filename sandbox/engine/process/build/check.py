"""Everything in a Dockerfile that this engine refuses, found before anything is built."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from sandbox.engine.content.base_image import BASE_IMAGE, is_base
from sandbox.engine.process.build.dockerfile import REMEDY, BuildRefused, Instruction
from sandbox.engine.process.build.words import InvalidWords, expand, json_words, split_words

__all__ = ["Abilities", "CopyFlags", "copy_flags", "find_refusals", "from_words"]

_SUPPORTED: Final = frozenset(
    {
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    }
)
_ARCHIVE: Final = re.compile(r".*\.(tar|tar\.\w+|tgz|tbz2?|txz)")
_CORRECT: Final = "correct the Dockerfile"
_MODE: Final = re.compile(r"0?[0-7]{3,4}")


@dataclass(frozen=True)
class Abilities:
    """What this engine can do on this machine."""

    why_no_run: str | None
    """Why RUN is not supported; None when it is."""
    has_image: Callable[[str], bool]
    """Whether the engine has an image, or a registry on this machine may have it."""
    watching: Callable[[int], AbstractContextManager[object]] = nullcontext
    """Ends a process group with the sandbox, while a command runs in it."""


@dataclass(frozen=True)
class CopyFlags:
    """The flags of a COPY."""

    mode: int | None = None
    """Of --chmod."""
    source: str = ""
    """Of --from; empty for the context."""
    notes: tuple[str, ...] = ()
    """About flags that have no effect."""


def from_words(value: str) -> tuple[str, str]:
    """Image and stage name of a FROM; the name is empty when there is none."""
    words = [word for word in split_words(value) if not word.startswith("--platform")]
    if len(words) == 3 and words[1].upper() == "AS":
        return words[0], words[2].lower()
    return (words[0], "") if len(words) == 1 else ("", "")


def copy_flags(instruction: Instruction) -> tuple[CopyFlags, list[str]]:
    """
    The flags of a COPY or an ADD, and its other words.

    Raises:
        BuildRefused: A flag is not supported.
    """
    value = instruction.value
    flags = []
    while value.startswith("--"):
        flag, _, value = value.partition(" ")
        value = value.lstrip()
        flags.append(flag)
    mode: int | None = None
    source = ""
    notes: list[str] = []
    for flag in flags:
        name, _, given = flag.partition("=")
        if name == "--chmod" and _MODE.fullmatch(given):
            mode = int(given, 8)
        elif name == "--from" and instruction.name == "COPY":
            source = given
        elif name == "--chown":
            notes.append(
                f" ---> {flag} has no effect: the embedded engine runs tasks as the sandbox's user"
            )
        elif name != "--link":
            raise instruction.refused(f"{flag} is not supported by the embedded engine")
    return CopyFlags(mode, source, tuple(notes)), json_words(value) or split_words(value)


def find_refusals(
    instructions: Sequence[Instruction], arguments: Mapping[str, str], abilities: Abilities
) -> list[BuildRefused]:
    """
    Find all that this engine refuses, in the order of the lines.

    Args:
        instructions: Of the Dockerfile.
        arguments: Build arguments.
        abilities: Of the engine.
    """
    check = _Check(dict(arguments), abilities)
    return list(check.refusals(instructions))


class _Check:
    """One pass over a Dockerfile."""

    def __init__(self, arguments: Mapping[str, str], abilities: Abilities) -> None:
        self._given, self._abilities = arguments, abilities
        self._known: dict[str, str] = {}
        self._stages: list[str] = []

    def refusals(self, instructions: Sequence[Instruction]) -> Iterator[BuildRefused]:
        for instruction in instructions:
            try:
                self._check(instruction)
            except BuildRefused as refusal:
                yield refusal
            except InvalidWords as error:
                yield instruction.refused(str(error), _CORRECT)
        if not self._stages:
            yield BuildRefused("Dockerfile: no FROM; name a base image")

    def _check(self, instruction: Instruction) -> None:
        """Raise what this engine refuses."""
        name = instruction.name
        if name not in _SUPPORTED:
            raise instruction.refused(f"{name} is not supported by the embedded engine")
        if name not in ("ARG", "FROM") and not self._stages:
            raise instruction.refused("not allowed before FROM", "begin with FROM")
        match name:
            case "ARG" if not self._stages:
                self._declare(instruction.value)
            case "FROM":
                self._check_from(instruction)
            case "RUN":
                self._check_run(instruction)
            case "COPY" | "ADD":
                self._check_copy(instruction)
            case "SHELL" if json_words(instruction.value) is None:
                raise instruction.refused("is not a JSON list of words", _CORRECT)
            case "ONBUILD":
                self._check_trigger(instruction)

    def _declare(self, value: str) -> None:
        for word in split_words(value):
            name, _, default = word.partition("=")
            self._known[name] = self._given.get(name, expand(default, self._known))

    def _check_from(self, instruction: Instruction) -> None:
        image, stage = from_words(instruction.value)
        reference = expand(image, self._known)
        known = reference.lower() in self._stages
        # Later instructions may name the stage, although it is refused.
        self._stages.append(stage)
        if not reference:
            raise instruction.refused("needs an image, or `image AS name`", _CORRECT)
        if not known and reference != "scratch":
            self._check_image(instruction, reference)

    def _check_image(self, instruction: Instruction, reference: str) -> None:
        if not is_base(reference) and not self._abilities.has_image(reference):
            raise instruction.refused(
                f"{reference!r} cannot be pulled by the embedded engine, whose only base image is "
                f"{BASE_IMAGE} (also used for python:*)"
            )

    def _check_run(self, instruction: Instruction) -> None:
        if self._abilities.why_no_run is not None:
            raise instruction.refused(
                "RUN is not supported by the embedded engine on this machine "
                f"({self._abilities.why_no_run})",
                f"allow user namespaces, or {REMEDY}",
            )
        for word in instruction.value.split():
            if not word.startswith("--"):
                break
            if word != "--network=default":
                raise instruction.refused(f"{word} is not supported by the embedded engine")
        _refuse_here_document(instruction)

    def _check_copy(self, instruction: Instruction) -> None:
        _refuse_here_document(instruction)
        flags, paths = copy_flags(instruction)
        if len(paths) < 2:
            raise instruction.refused("needs a source and a destination", _CORRECT)
        if instruction.name == "ADD" and any(map(_is_url_or_archive, paths[:-1])):
            raise instruction.refused(
                "ADD of a URL or an archive is not supported by the embedded engine"
            )
        if flags.source and not self._is_stage(flags.source):
            self._check_image(instruction, flags.source)

    def _is_stage(self, name: str) -> bool:
        """Whether it names an earlier stage, by its name or its number."""
        earlier = self._stages[:-1]
        if name.isdigit():
            return int(name) < len(earlier)
        return name.lower() in earlier

    def _check_trigger(self, instruction: Instruction) -> None:
        name, _, value = instruction.value.partition(" ")
        if name.upper() in ("ONBUILD", "FROM", "MAINTAINER"):
            raise instruction.refused(f"{name} is not allowed in ONBUILD", _CORRECT)
        try:
            self._check(Instruction(instruction.line, name.upper(), value.strip()))
        except BuildRefused as refusal:
            raise BuildRefused(str(refusal).replace(": ", ": ONBUILD ", 1)) from None


def _refuse_here_document(instruction: Instruction) -> None:
    if re.search(r"<<-?[\"']?\w", instruction.value):
        raise instruction.refused("a here-document is not supported by the embedded engine")


def _is_url_or_archive(source: str) -> bool:
    is_remote = "://" in source or source.startswith("git@")
    return is_remote or bool(_ARCHIVE.fullmatch(source))
