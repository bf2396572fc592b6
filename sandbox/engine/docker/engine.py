"""A real Docker engine, or Podman's, which speaks the same API."""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import docker
import docker.errors
import docker.models.containers
import requests.exceptions
import urllib3.exceptions

from sandbox.ecr.credentials import pull_credentials
from sandbox.engine.base import ContainerSpec, ImageUnavailable
from sandbox.engine.content.base_image import BASE_IMAGE, BASE_SETTINGS, base_layer
from sandbox.engine.content.store import Store, cache_dir

__all__ = ["LABEL", "DockerContainer", "DockerEngine"]

LABEL: Final = "split-sandbox"
"""Label of every container of a sandbox; its value is the sandbox's process id."""

_STARTED_LABEL: Final = "split-sandbox.started"
_TIMEOUT: Final = 120
_PIECE: Final = 1 << 16
# What docker-py lets through when the engine hangs up or is too slow, or the container is gone.
_BROKEN: Final = (
    docker.errors.APIError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)


class DockerContainer:
    """
    A container of the real engine.

    Args:
        container: It, started.
        stop_timeout: Seconds between SIGTERM and SIGKILL.
        on_line: Gets every line it writes.
    """

    def __init__(
        self,
        container: docker.models.containers.Container,
        stop_timeout: float,
        on_line: Callable[[str], None],
    ) -> None:
        self._container, self._stop_timeout, self._on_line = container, stop_timeout, on_line
        container.reload()
        self.address = _address(container.attrs)
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
        self._unless_gone(lambda: self._container.stop(timeout=max(1, round(self._stop_timeout))))
        self._ended.wait()

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self._unless_gone(self._container.kill)
        self._ended.wait()

    def _unless_gone(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except docker.errors.APIError as error:
            # Gone already, or not running any more.
            if error.status_code not in (304, 404, 409):
                raise

    def _follow(self) -> None:
        try:
            for line in _lines(self._container.logs(stream=True, follow=True)):
                self._on_line(line)
            code = int(self._container.wait()["StatusCode"])
            self._unless_gone(lambda: self._container.remove(v=True, force=True))
        except _BROKEN:
            # Somebody removed it, or the engine itself ended: either way it runs no more.
            code = 137
        self._code = code
        self._ended.set()


def _lines(chunks: Any) -> Any:
    """The chunks of a log, which may end anywhere, as lines."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")


class DockerEngine:
    """
    Runs containers on the engine's default bridge network, where this machine reaches them at their
    own addresses.

    Args:
        docker_host: Where the engine listens.
        registry_host: `host:port` of the registry behind ECR, whose images are removed on close.
        run_dir: The sandbox's folder.
    """

    name: Literal["docker", "process"] = "docker"

    def __init__(self, docker_host: str, registry_host: str, run_dir: Path) -> None:
        self.docker_host, self._registry_host = docker_host, registry_host
        self._client = docker.DockerClient(base_url=docker_host, timeout=_TIMEOUT)
        self._lock = threading.Lock()
        self._containers: list[DockerContainer] = []
        self._remove_orphans()
        self._provide_base(run_dir)

    def pull(self, image: str) -> str:
        """
        Pull the image; return its digest.

        Raises:
            ImageUnavailable: The registry does not have it, or does not answer.
        """
        name, at, digest = image.partition("@")
        host = name.partition("/")[0]
        login = pull_credentials(host)
        auth = {"username": login[0], "password": login[1]} if login else None
        if at:
            repository, tag = _without_tag(name), digest
        else:
            repository = _without_tag(name)
            tag = name.removeprefix(repository).lstrip(":") or "latest"
        try:
            pulled = self._client.images.pull(repository, tag=tag, auth_config=auth)
        except docker.errors.APIError as error:
            missing = "not found" in str(error) or "manifest unknown" in str(error).lower()
            why = (
                f"failed to resolve ref {image}: {image}: not found"
                if missing
                else error.explanation or str(error)
            )
            raise ImageUnavailable(f"CannotPullContainerError: {why}") from None
        except requests.exceptions.RequestException as error:
            raise ImageUnavailable(f"CannotPullContainerError: {error}") from None
        return digest or _digest(pulled.attrs, repository)

    def start(self, spec: ContainerSpec, on_line: Callable[[str], None]) -> DockerContainer:
        """
        Start a container.

        Raises:
            ImageUnavailable: The engine does not have the image any more.
        """
        self._remove(spec.name)
        options: dict[str, Any] = {"entrypoint": list(spec.entry_point)} if spec.entry_point else {}
        try:
            made = self._client.containers.create(
                spec.image,
                list(spec.command) or None,
                name=spec.name,
                environment=dict(spec.environment),
                labels={
                    **spec.labels,
                    LABEL: str(os.getpid()),
                    _STARTED_LABEL: _started(os.getpid()),
                },
                mem_limit=f"{spec.memory}m",
                network_mode="bridge",
                **options,
            )
        except docker.errors.ImageNotFound as error:
            raise ImageUnavailable(f"CannotPullContainerError: {error.explanation}") from None
        made.start()
        container = DockerContainer(made, spec.stop_timeout, on_line)
        with self._lock:
            self._containers = [
                known for known in self._containers if known.exit_code() is None
            ] + [container]
        return container

    def close(self) -> None:
        """
        Kill and remove its containers, and take the registry's names from the engine's images. Safe
        to repeat.
        """
        with self._lock:
            containers, self._containers = self._containers, []
        for container in containers:
            container.kill()
        for image in self._client.images.list():
            for name in [*image.tags, *image.attrs.get("RepoDigests", [])]:
                if name.startswith(f"{self._registry_host}/"):
                    # A container of somebody else's may use the image.
                    with contextlib.suppress(docker.errors.APIError):
                        self._client.images.remove(name)
        self._client.close()

    def _remove(self, name: str) -> None:
        try:
            self._client.containers.get(name).remove(v=True, force=True)
        except docker.errors.NotFound:
            return

    def _remove_orphans(self) -> None:
        """Remove the containers of sandboxes that were killed."""
        for container in self._client.containers.list(
            all=True, filters={"label": LABEL}, ignore_removed=True
        ):
            pid, started = container.labels[LABEL], container.labels.get(_STARTED_LABEL)
            if not pid.isdigit() or _started(int(pid)) != started:
                with contextlib.suppress(docker.errors.NotFound):
                    container.remove(v=True, force=True)

    def _provide_base(self, run_dir: Path) -> None:
        """Make the base image that needs no registry, from this machine's Python."""
        store = Store(cache_dir(run_dir))
        layer = base_layer(store)
        # The tag says of which layer it was made: another Python, another image.
        tag = layer.diff_id.removeprefix("sha256:")[:12]
        try:
            image = self._client.images.get(f"{BASE_IMAGE}:{tag}")
        except docker.errors.ImageNotFound:
            changes = [f"ENV {pair}" for pair in BASE_SETTINGS["Env"]] + ['CMD ["python3"]']
            with store.path(layer.digest).open("rb") as file:
                # docker-py announces chunks, and only an iterator is sent in chunks.
                pieces = iter(lambda: file.read(_PIECE), b"")
                self._client.api.import_image_from_stream(
                    pieces, repository=BASE_IMAGE, tag=tag, changes=changes
                )
            image = self._client.images.get(f"{BASE_IMAGE}:{tag}")
        image.tag(BASE_IMAGE, "latest")


def _without_tag(name: str) -> str:
    """A colon before the last slash is the registry's port, not the tag's."""
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _digest(attributes: dict[str, Any], repository: str) -> str:
    digests = [name.partition("@") for name in attributes.get("RepoDigests", [])]
    return next(str(digest) for name, _, digest in digests if name == repository)


def _address(attributes: dict[str, Any]) -> str:
    """Its address on the bridge; empty when it has ended already."""
    settings = attributes["NetworkSettings"]
    networks = settings.get("Networks") or {}
    found = [
        settings.get("IPAddress"),
        *(network.get("IPAddress") for network in networks.values()),
    ]
    return next(filter(None, found), "")


def _started(pid: int) -> str:
    """
    When a process started, in clock ticks since boot: a process id alone may be
    another's by now.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]
