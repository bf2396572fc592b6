"""A Dockerfile's instructions, and the refusal of those that need a real engine."""

import io
from dataclasses import dataclass
from typing import Final

from dockerfile_parse import DockerfileParser

__all__ = ["BuildRefused", "Instruction", "read_dockerfile"]

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
        "STOPSIGNAL",
        "USER",
        "WORKDIR",
    }
)
_REMEDY: Final = "use a Docker engine: --engine docker"


class BuildRefused(Exception):
    """Raised when an image cannot be built; the message has instruction, line and remedy."""


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile."""

    line: int
    """Number of its first line, counted from 1."""
    name: str
    """In capitals."""
    value: str
    """Everything after the name, continued lines joined."""

    def refused(self, why: str, remedy: str = _REMEDY) -> BuildRefused:
        """An error with the place of this instruction."""
        return BuildRefused(
            f"Dockerfile line {self.line}: {self.name} {self.value}: {why}; {remedy}"
        )


def read_dockerfile(content: bytes) -> list[Instruction]:
    """
    The instructions, in their order.

    Raises:
        BuildRefused: One of them is not supported by this engine, or there is no FROM.
    """
    structure = DockerfileParser(fileobj=io.BytesIO(content)).structure
    read = [
        Instruction(part["startline"] + 1, part["instruction"], part["value"].strip())
        for part in structure
        if part["instruction"] != "COMMENT"
    ]
    for instruction in read:
        _check(instruction)
    stages = [instruction for instruction in read if instruction.name == "FROM"]
    if not stages:
        raise BuildRefused("Dockerfile: no FROM; name a base image")
    if len(stages) > 1:
        raise stages[1].refused("a second build stage is not supported by the embedded engine")
    first = next(instruction for instruction in read if instruction.name != "ARG")
    if first.name != "FROM":
        raise first.refused("not allowed before FROM", "begin with FROM")
    return read


def _check(instruction: Instruction) -> None:
    name, value = instruction.name, instruction.value
    if name not in _SUPPORTED:
        raise instruction.refused(f"{name} is not supported by the embedded engine")
    if name == "HEALTHCHECK" and value.upper() != "NONE":
        raise instruction.refused(
            "HEALTHCHECK is not supported by the embedded engine, and ECS ignores it"
        )
    if name in ("COPY", "ADD") and "<<" in value:
        raise instruction.refused("a here-document is not supported by the embedded engine")
