"""A Dockerfile's instructions."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dockerfile_parse import DockerfileParser

__all__ = ["REMEDY", "BuildRefused", "Instruction", "read_dockerfile"]

REMEDY: Final = "use a Docker engine: --engine docker"
_SHOWN: Final = 60
_HERE_DOCUMENT: Final = re.compile(
    rb"^\s*(?:RUN|COPY|ADD)\s.*?<<(-?)[\"']?(\w+)[\"']?", re.IGNORECASE
)


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

    def refused(self, why: str, remedy: str = REMEDY) -> BuildRefused:
        """An error with the place of this instruction."""
        text = f"{self.name} {self.value}"
        shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
        return BuildRefused(f"Dockerfile line {self.line}: {shown}: {why}; {remedy}")


def read_dockerfile(content: bytes) -> list[Instruction]:
    """The instructions, in their order; of a here-document only its first line."""
    lines = b"".join(_without_here_documents(content))
    structure = DockerfileParser(fileobj=io.BytesIO(lines)).structure
    return [
        Instruction(part["startline"] + 1, part["instruction"], part["value"].strip())
        for part in structure
        if part["instruction"] != "COMMENT"
    ]


def _without_here_documents(content: bytes) -> Iterator[bytes]:
    """The lines, with comments in place of here-documents, which are no instructions."""
    end: bytes | None = None
    tabs = False
    for line in content.splitlines(keepends=True):
        if end is not None:
            stripped = line.strip(b"\t\r\n") if tabs else line.rstrip(b"\r\n")
            if stripped == end:
                end = None
            yield b"#\n"
            continue
        found = _HERE_DOCUMENT.match(line)
        if found:
            tabs, end = bool(found[1]), found[2]
        yield line
