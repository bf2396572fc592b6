"""A container of a real Docker engine."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import docker.errors
import docker.models.containers
import requests.exceptions
import urllib3.exceptions

__all__ = ["DockerContainer"]

# What docker-py raises when the engine hangs up or is too slow, or the container is gone.
_BROKEN: Final = (
    docker.errors.APIError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)
_GONE: Final = (304, 404, 409)
"""HTTP status when a container is gone, or no longer runs."""


class DockerContainer:
    """
    Follows a container.

    Args:
        container: The started container.
        stop_timeout: Seconds between SIGTERM and SIGKILL.
        on_line: Called with each line of its output.
    """

    def __init__(
        self,
        container: docker.models.containers.Container,
        stop_timeout: float,
        on_line: Callable[[str], None],
    ) -> None:
        self._container = container
        self._stop_timeout, self._on_line = stop_timeout, on_line
        container.reload()
        self.address = _address(container.attrs["NetworkSettings"])
        self._code: int | None = None
        self._ended = threading.Event()
        name = f"container {container.name}"
        threading.Thread(target=self._follow, name=name, daemon=True).start()

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._code

    def stop(self) -> None:
        """SIGTERM, SIGKILL after the stop timeout; returns when it is gone. Safe to repeat."""
        # The engine's timeouts are whole seconds.
        seconds = max(1, round(self._stop_timeout))
        _unless_gone(lambda: self._container.stop(timeout=seconds))
        self._ended.wait()

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        _unless_gone(self._container.kill)
        self._ended.wait()

    def _follow(self) -> None:
        try:
            for line in _lines(self._read_output()):
                self._on_line(line)
            code = int(self._container.wait()["StatusCode"])
            _unless_gone(lambda: self._container.remove(v=True, force=True))
        except _BROKEN:
            # The container was removed, or the engine ended: in either case it no longer runs.
            code = 137
        self._code = code
        self._ended.set()

    def _read_output(self) -> Iterator[bytes]:
        read = 0
        for chunk in self._container.logs(stream=True, follow=True):
            read += len(chunk)
            yield chunk
        # When a container ends, the engine may cut off a log that is being followed.
        self._container.wait()
        for chunk in self._container.logs(stream=True, follow=False):
            yield chunk[read:]
            read = max(0, read - len(chunk))


def _unless_gone(act: Callable[[], Any]) -> None:
    try:
        act()
    except docker.errors.APIError as error:
        if error.status_code not in _GONE:
            raise


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a log, whose chunks may end anywhere."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")


def _address(settings: dict[str, Any]) -> str:
    """Its address on the bridge; empty when it has already ended."""
    networks = settings.get("Networks") or {}
    addresses = [network.get("IPAddress") for network in networks.values()]
    return next(filter(None, [settings.get("IPAddress"), *addresses]), "")
