"""What an engine refuses in a Dockerfile, found before anything is made."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import requests.exceptions

from config.errors import PreflightFailed
from config.service import Build
from tasks.ecr.context.dockerfile import Instruction, read_dockerfile
from tasks.ecr.engine import engine

__all__ = ["classic_refusals", "dockerfile_refusals"]

_INSTRUCTIONS: Final = """
    ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL
    STOPSIGNAL USER VOLUME WORKDIR
"""
_ONLY_BUILDKIT: Final = {
    "RUN": ("--mount", "--network", "--security", "--device"),
    "COPY": ("--chmod", "--link", "--parents", "--exclude"),
    "ADD": ("--chmod", "--link", "--keep-git-dir", "--checksum", "--exclude", "--unpack"),
}
"""Flags that Docker's builder behind its API does not have."""
_HERE_DOCUMENT: Final = re.compile(r"(?<!\S)<<-?[\"']?\w+[\"']?")
_REMEDY: Final = "leave it out, or build with BuildKit, push the image, and give `image`"
_SHOWN: Final = 60
_TIMEOUT: Final = 30


def dockerfile_refusals(docker_host: str | None, build: Build) -> list[str]:
    """
    Find each instruction of a Dockerfile that the engine refuses, with its line and remedy.

    An engine may check a Dockerfile itself, at the path that its version has as `BuildCheck`. What
    Docker refuses is known; of other engines nothing is.

    Raises:
        PreflightFailed: No engine answers.
        OSError: The Dockerfile cannot be read.

    Source: Docker Engine API, SystemVersion; docs.docker.com/reference/dockerfile.
    """
    found = engine(docker_host).version()
    component = (found.get("Components") or [{}])[0]
    check = (component.get("Details") or {}).get("BuildCheck")
    dockerfile = read_dockerfile(build)
    if check:
        return _engines_own(docker_host, str(check), dockerfile.content, build)
    if component.get("Name") == "Engine":
        return list(classic_refusals(dockerfile.instructions))
    return []


def _engines_own(docker_host: str | None, path: str, dockerfile: bytes, build: Build) -> list[str]:
    """What the engine answers."""
    api: Any = engine(docker_host).api
    try:
        response = api.post(
            f"{api.base_url}{path}",
            params={"buildargs": json.dumps(build.args)},
            data=dockerfile,
            timeout=_TIMEOUT,
        )
        response.raise_for_status()
        return [str(line) for line in response.json()["refusals"]]
    except requests.exceptions.RequestException as error:
        raise PreflightFailed(
            f"docker_host: the engine does not check the Dockerfile ({error}); restart it"
        ) from None


def classic_refusals(instructions: list[Instruction]) -> Iterator[str]:
    """
    What Docker's builder behind its API refuses; the same for every version of Docker.

    Args:
        instructions: Of the Dockerfile.
    """
    if not any(instruction.name == "FROM" for instruction in instructions):
        yield "Dockerfile: no FROM; name a base image"
    for instruction in instructions:
        why = _why_refused(instruction)
        if why:
            text = f"{instruction.name} {instruction.value}"
            shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
            yield f"Dockerfile line {instruction.line}: {shown}: {why}"


def _why_refused(instruction: Instruction) -> str | None:
    """Why an instruction is refused, with the remedy."""
    name = instruction.name
    if name not in _INSTRUCTIONS.split():
        return f"{name} is no instruction; correct it"
    for word in instruction.value.split():
        if not word.startswith("--"):
            break
        flag, _, value = word.partition("=")
        if flag in _ONLY_BUILDKIT.get(name, ()) and value != "false":
            return f"{flag} needs BuildKit, which the Docker API does not offer; {_REMEDY}"
    takes_documents = name in ("RUN", "COPY", "ADD")
    if takes_documents and _HERE_DOCUMENT.search(instruction.value):
        return f"a here-document needs BuildKit, which the Docker API does not offer; {_REMEDY}"
    return None
