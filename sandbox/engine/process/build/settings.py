"""The instructions that change only an image's settings."""

import posixpath
import re
from collections.abc import Mapping
from typing import Any, Final

from sandbox.engine.content.base_image import BASE_SETTINGS
from sandbox.engine.process.build.dockerfile import Instruction
from sandbox.engine.process.build.words import (
    InvalidWords,
    expand,
    json_words,
    key_values,
    split_words,
)

__all__ = ["change_settings", "environment_of", "shell_of"]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_TEXTS: Final = {"STOPSIGNAL": "StopSignal", "USER": "User"}
_HEALTH_FLAGS: Final = {
    "--interval": "Interval",
    "--timeout": "Timeout",
    "--start-period": "StartPeriod",
    "--start-interval": "StartInterval",
}


def environment_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """The variables that ENV has set."""
    return dict(pair.split("=", 1) for pair in settings.get("Env") or ())


def shell_of(settings: Mapping[str, Any]) -> list[str]:
    """What runs the shell form."""
    return list(settings.get("Shell") or ("/bin/sh", "-c"))


def change_settings(
    settings: dict[str, Any], instruction: Instruction, variables: Mapping[str, str]
) -> None:
    """
    Carry out an instruction.

    Args:
        settings: Of the image; they are changed.
        instruction: One that adds no layer.
        variables: ENV and ARG.

    Raises:
        InvalidWords: Its words are not valid.
    """
    value = instruction.value
    match instruction.name:
        case "CMD" | "ENTRYPOINT":
            _set_command(settings, instruction.name, value)
        case "ENV":
            merged = {**environment_of(settings), **key_values(value, variables)}
            settings["Env"] = [f"{name}={text}" for name, text in merged.items()]
        case "EXPOSE":
            _expose(settings, value, variables)
        case "LABEL":
            settings.setdefault("Labels", {}).update(key_values(value, variables))
        case "USER" | "STOPSIGNAL":
            settings[_TEXTS[instruction.name]] = expand(value, variables)
        case "SHELL":
            settings["Shell"] = json_words(value) or []
        case "VOLUME":
            _add_volumes(settings, value, variables)
        case "ONBUILD":
            settings["OnBuild"] = [*settings.get("OnBuild", ()), value]
        case "HEALTHCHECK":
            settings["Healthcheck"] = _health_check(value)


def _expose(settings: dict[str, Any], value: str, variables: Mapping[str, str]) -> None:
    exposed = settings.setdefault("ExposedPorts", {})
    for word in split_words(value):
        port = expand(word, variables)
        exposed[port if "/" in port else f"{port}/tcp"] = {}


def _set_command(settings: dict[str, Any], name: str, value: str) -> None:
    words = json_words(value)
    command = [*shell_of(settings), value] if words is None else words
    if name == "CMD":
        settings["Cmd"] = command
        return
    settings["Entrypoint"] = command
    if settings.get("Cmd") == BASE_SETTINGS["Cmd"]:
        # The base image's command is not meant for another entry point.
        settings["Cmd"] = []


def _add_volumes(settings: dict[str, Any], value: str, variables: Mapping[str, str]) -> None:
    folder = settings.get("WorkingDir") or "/"
    for word in json_words(value) or split_words(value):
        path = posixpath.normpath(posixpath.join(folder, expand(word, variables)))
        settings.setdefault("Volumes", {})[path] = {}


def _health_check(value: str) -> dict[str, Any]:
    """
    The image's health check, which ECS ignores.

    Source: ECS developer guide, "Determine Amazon ECS task health using container health checks".
    """
    found: dict[str, Any] = {}
    rest = value
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        rest = rest.lstrip()
        name, _, text = flag.partition("=")
        if name in _HEALTH_FLAGS:
            found[_HEALTH_FLAGS[name]] = _nanoseconds(text)
        elif name == "--retries" and text.isdigit():
            found["Retries"] = int(text)
        else:
            raise InvalidWords(f"{flag} is not a flag of HEALTHCHECK")
    kind, _, command = rest.partition(" ")
    if kind.upper() == "NONE" and not command and not found:
        return {"Test": ["NONE"]}
    if kind.upper() != "CMD" or not command.strip():
        raise InvalidWords("needs CMD and a command, or NONE")
    words = json_words(command)
    found["Test"] = ["CMD", *words] if words else ["CMD-SHELL", command.strip()]
    return found


def _nanoseconds(text: str) -> int:
    """A duration as Go writes it, e.g. `1m30s`."""
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text):
        raise InvalidWords(f"{text!r} is not a duration such as 30s")
    total = 0.0
    for number, unit in parts:
        total += float(number) * _NANOSECONDS[unit]
    return int(total)
