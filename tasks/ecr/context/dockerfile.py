"""A build's Dockerfile: where it is, its instructions, and the images that it starts from."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dockerfile_parse import DockerfileParser

from config.service import Build

__all__ = ["Dockerfile", "Instruction", "base_images", "read_dockerfile"]

_VARIABLE: Final = re.compile(
    r"\$(?:(?P<name>\w+)|\{(?P<braced>\w+)(?::(?P<operator>[-+])(?P<word>[^}]*))?\})"
)
_HERE_DOCUMENT: Final = re.compile(r"\s*(?:RUN|COPY|ADD)\s.*?<<-?[\"']?(\w+)[\"']?", re.IGNORECASE)
_FLAG_FROM: Final = re.compile(r"--from=(\S+)")
_MOUNT_FROM: Final = re.compile(r"--mount=\S*?\bfrom=([^\s,]+)")


@dataclass(frozen=True)
class Instruction:
    """One instruction."""

    line: int
    """Of its beginning, counted from 1."""
    name: str
    """In capitals."""
    value: str
    """Everything after the name, continued lines joined."""


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile, wherever it is."""

    path: Path
    content: bytes
    name: str | None
    """Path in the context; None when it is outside, or a link to another file."""

    @property
    def instructions(self) -> list[Instruction]:
        """In their order, without comments."""
        lines = "".join(_without_here_documents(self.content.decode("utf-8", "replace")))
        parts = DockerfileParser(fileobj=io.BytesIO(lines.encode())).structure
        return [
            Instruction(part["startline"] + 1, part["instruction"], part["value"].strip())
            for part in parts
            if part["instruction"] != "COMMENT"
        ]


def read_dockerfile(build: Build) -> Dockerfile:
    """
    Read the Dockerfile of a build.

    Raises:
        OSError: It cannot be read.
    """
    path = build.context / build.dockerfile
    real = path.resolve()
    root = build.context.resolve()
    inside = real.is_relative_to(root) and not path.is_symlink()
    name = real.relative_to(root).as_posix() if inside else None
    return Dockerfile(path, path.read_bytes(), name)


def _without_here_documents(text: str) -> Iterator[str]:
    """The lines, with comments in place of here-documents, which are no instructions."""
    end = None
    for line in text.splitlines(keepends=True):
        if end is not None:
            # `<<-` allows tabs before the end.
            if line.strip("\t\r\n") == end:
                end = None
            yield "#\n"
            continue
        found = _HERE_DOCUMENT.match(line)
        if found:
            end = found[1]
        yield line


def base_images(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> list[str]:
    """
    The images that a build reads: of FROM, `COPY --from` and `RUN --mount=from=`, each once.

    Args:
        dockerfile: The Dockerfile.
        arguments: Build arguments.
    """
    known: dict[str, str] = {}
    stages: set[str] = {"scratch"}
    found: dict[str, None] = {}
    for instruction in dockerfile.instructions:
        if instruction.name == "ARG" and len(stages) == 1:
            known.update(_declared(instruction.value, known, arguments))
        for image in _images_in(instruction):
            reference = _expanded(image, known)
            if reference.lower() not in stages and not reference.isdigit():
                found[reference] = None
        if instruction.name == "FROM":
            stages.add(_stage_name(instruction.value, len(stages)))
    return list(found)


def _images_in(instruction: Instruction) -> Iterator[str]:
    """The names in an instruction that may be images, or stages."""
    value = instruction.value
    if instruction.name == "FROM":
        words = [word for word in value.split() if not word.startswith("--")]
        yield from words[:1]
    elif instruction.name in ("COPY", "ADD"):
        yield from _FLAG_FROM.findall(value)
    elif instruction.name == "RUN":
        yield from _MOUNT_FROM.findall(value)


def _stage_name(value: str, number: int) -> str:
    """The name after AS, in lower case; a number when there is none."""
    words = value.lower().split()
    return words[-1] if len(words) > 2 and words[-2] == "as" else str(number)


def _declared(value: str, known: Mapping[str, str], arguments: Mapping[str, str]) -> dict[str, str]:
    """The variables of an ARG before the first FROM."""
    declared = {}
    for word in value.split():
        name, _, default = word.partition("=")
        declared[name] = arguments.get(name, _expanded(default.strip("\"'"), known))
    return declared


def _expanded(text: str, known: Mapping[str, str]) -> str:
    """The text with its variables replaced."""

    def value(found: re.Match[str]) -> str:
        current = known.get(found["name"] or found["braced"], "")
        word = found["word"] or ""
        match found["operator"]:
            case "-":
                return current or word
            case "+":
                return word if current else ""
        return current

    return _VARIABLE.sub(value, text)
