"""What a container starts: its command and its environment, put together as Docker does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.engine.base import ContainerSpec
from sandbox.engine.content.image import Image

__all__ = ["Program", "image_command", "program_environment"]

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Program:
    """What is to be started."""

    arguments: list[str]
    environment: Mapping[str, str]
    """The whole of it; nothing is inherited from the sandbox."""
    folder: Path
    """Where it starts, on this machine."""


def image_command(image: Image, spec: ContainerSpec) -> list[str]:
    """The command line: the image's, unless the task definition overrides it."""
    entry_point = spec.entry_point or image.settings.get("Entrypoint") or ()
    # As in Docker, another entry point drops the image's command.
    default = () if spec.entry_point else image.settings.get("Cmd") or ()
    return [*entry_point, *(spec.command or default)] or [""]


def program_environment(
    settings: Mapping[str, Any], given: Mapping[str, str], hostname: str, home: str = "/root"
) -> dict[str, str]:
    """
    The environment, every value as it was given.

    Args:
        settings: The image's; its ENV comes first.
        given: Overrides it.
        hostname: The container's name.
        home: Of root.
    """
    defaults = {"PATH": _PATH, "HOME": home, "HOSTNAME": hostname}
    pairs = dict(pair.split("=", 1) for pair in settings.get("Env") or ())
    return {**defaults, **pairs, **given}
