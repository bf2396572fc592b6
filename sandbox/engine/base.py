"""The interface of both engines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

__all__ = [
    "Container",
    "ContainerSpec",
    "Engine",
    "EngineUnavailable",
    "ImageUnavailable",
    "RegistryLogin",
]


class EngineUnavailable(Exception):
    """Raised when the requested engine cannot be used; the message lists where, and why not."""


class ImageUnavailable(Exception):
    """Raised when an image cannot be pulled; the message is the stopped reason that ECS shows."""


@dataclass(frozen=True)
class RegistryLogin:
    """The credentials for the registry behind ECR."""

    host: str
    """`host:port`."""
    username: str
    password: str


@dataclass(frozen=True)
class ContainerSpec:
    """One container of an ECS task."""

    name: str
    """Unique on this machine."""
    image: str
    """Reference as in the task definition: `host:port/repository@sha256:…` or `…:tag`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    """Replaces the image's CMD when not empty."""
    entry_point: tuple[str, ...] = ()
    """Replaces the image's ENTRYPOINT when not empty."""
    memory: int = 512
    """MiB."""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_timeout: float = 30.0
    """Seconds between SIGTERM and SIGKILL."""


class Container(Protocol):
    """A started container."""

    address: str
    """IP address on which its ports answer, reachable from this machine."""

    def exit_code(self) -> int | None:
        """None while it runs."""

    def stop(self) -> None:
        """SIGTERM, SIGKILL after the stop timeout; returns when it is gone. Safe to repeat."""


class Engine(Protocol):
    """Builds (through `docker_host`) and runs."""

    name: Literal["docker", "process"]
    docker_host: str
    """Where docker-py finds it, e.g. `unix:///var/run/docker.sock` or `tcp://127.0.0.1:40123`."""

    def pull(self, image: str) -> str:
        """
        Pull what is missing of the image; return its digest `sha256:…`.

        Raises:
            ImageUnavailable: The registry does not have it, or does not answer.
        """

    def start(self, spec: ContainerSpec, on_line: Callable[[str], None]) -> Container:
        """
        Start a container of a pulled image.

        Args:
            spec: What to run.
            on_line: Called, from one of the engine's threads, with each line of stdout and stderr;
                all lines have been delivered when `exit_code()` is no longer None.
        """

    def close(self) -> None:
        """End everything it started, and remove every file it made. Safe to repeat."""
