"""A real Docker engine, or Podman's, which has the same API."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import docker
import docker.errors
import requests.exceptions

from sandbox.engine.base import ContainerSpec, ImageUnavailable, RegistryLogin
from sandbox.engine.content.base_image import BASE_IMAGE, BASE_SETTINGS, base_layer
from sandbox.engine.content.store import Store, cache_dir
from sandbox.engine.docker.container import DockerContainer
from sandbox.engine.docker.warden import LABEL

__all__ = ["DockerEngine"]

_STARTED_LABEL: Final = "split-sandbox.started"
_TIMEOUT: Final = 120
_PIECE: Final = 1 << 16
_WARDEN: Final = Path(__file__).with_name("warden.py")


class DockerEngine:
    """
    Runs containers on the engine's default bridge network, where they have addresses of their own.

    Args:
        docker_host: Where the engine listens.
        registry: The registry behind ECR; names of its images are removed on close.
        run_dir: The sandbox's folder.
    """

    name: Literal["docker", "process"] = "docker"

    def __init__(self, docker_host: str, registry: RegistryLogin, run_dir: Path) -> None:
        self.docker_host = docker_host
        self._registry = registry
        self._client = docker.DockerClient(base_url=docker_host, timeout=_TIMEOUT)
        self._lock = threading.Lock()
        self._containers: list[DockerContainer] = []
        self._remove_orphans()
        self._provide_base(run_dir)
        self._warden = _start_warden(docker_host)

    def pull(self, image: str) -> str:
        """
        Pull the image; return its digest.

        Raises:
            ImageUnavailable: The registry does not have it, or does not answer.
        """
        name, _, digest = image.partition("@")
        repository = _without_tag(name)
        tag = name.removeprefix(repository).lstrip(":")
        try:
            pulled = self._client.images.pull(
                repository, tag=digest or tag or "latest", auth_config=self._login(name)
            )
        except docker.errors.APIError as error:
            raise ImageUnavailable(f"CannotPullContainerError: {_why(error, image)}") from None
        except requests.exceptions.RequestException as error:
            raise ImageUnavailable(f"CannotPullContainerError: {error}") from None
        return digest or _digest(pulled.attrs, repository)

    def start(self, spec: ContainerSpec, on_line: Callable[[str], None]) -> DockerContainer:
        """
        Start a container.

        Raises:
            ImageUnavailable: The engine no longer has the image.
        """
        self._remove(spec.name)
        try:
            made = self._client.containers.create(
                spec.image,
                list(spec.command) or None,
                name=spec.name,
                environment=dict(spec.environment),
                labels={**spec.labels, **_own_labels()},
                mem_limit=f"{spec.memory}m",
                network_mode="bridge",
                entrypoint=list(spec.entry_point) or None,
            )
        except docker.errors.ImageNotFound as error:
            raise ImageUnavailable(f"CannotPullContainerError: {error.explanation}") from None
        made.start()
        container = DockerContainer(made, spec.stop_timeout, on_line)
        with self._lock:
            running = [known for known in self._containers if known.exit_code() is None]
            self._containers = [*running, container]
        return container

    def close(self) -> None:
        """
        Kill and remove its containers, and remove the registry's names from the engine's images.

        Safe to repeat.
        """
        with self._lock:
            containers, self._containers = self._containers, []
        for container in containers:
            container.kill()
        self._remove_names()
        self._client.close()
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._warden.communicate(b"done\n")

    def _login(self, name: str) -> dict[str, str] | None:
        if name.partition("/")[0] != self._registry.host:
            return None
        return {"username": self._registry.username, "password": self._registry.password}

    def _remove(self, name: str) -> None:
        with contextlib.suppress(docker.errors.NotFound):
            self._client.containers.get(name).remove(v=True, force=True)

    def _remove_names(self) -> None:
        # The client's own list looks up each image, and fails where another sandbox removes one.
        for image in self._client.api.images():
            for name in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]:
                if name.startswith(f"{self._registry.host}/"):
                    # A container of another program may use the image.
                    with contextlib.suppress(docker.errors.APIError):
                        self._client.images.remove(name)

    def _remove_orphans(self) -> None:
        """Remove the containers of sandboxes that were killed together with their wardens."""
        for container in self._client.containers.list(
            all=True, filters={"label": LABEL}, ignore_removed=True
        ):
            pid, started = container.labels[LABEL], container.labels.get(_STARTED_LABEL)
            if not pid.isdigit() or _started(int(pid)) != started:
                with contextlib.suppress(docker.errors.NotFound):
                    container.remove(v=True, force=True)

    def _provide_base(self, run_dir: Path) -> None:
        """Tag the base image that needs no registry, importing it on its first use."""
        store = Store(cache_dir(run_dir))
        layer = base_layer(store)
        # The tag is the layer's: another Python makes another image.
        tag = layer.diff_id.removeprefix("sha256:")[:12]
        try:
            image = self._client.images.get(f"{BASE_IMAGE}:{tag}")
        except docker.errors.ImageNotFound:
            self._import_base(store.path(layer.digest), tag)
            image = self._client.images.get(f"{BASE_IMAGE}:{tag}")
        image.tag(BASE_IMAGE, "latest")

    def _import_base(self, layer: Path, tag: str) -> None:
        changes = [f"ENV {pair}" for pair in BASE_SETTINGS["Env"]] + ['CMD ["python3"]']
        with layer.open("rb") as file:
            # docker-py announces a chunked body, and sends only iterators in chunks.
            pieces = iter(lambda: file.read(_PIECE), b"")
            self._client.api.import_image_from_stream(
                pieces, repository=BASE_IMAGE, tag=tag, changes=changes
            )


def _start_warden(docker_host: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", _WARDEN, docker_host, str(os.getpid())],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def _own_labels() -> dict[str, str]:
    return {LABEL: str(os.getpid()), _STARTED_LABEL: _started(os.getpid())}


def _why(error: docker.errors.APIError, image: str) -> str:
    text = str(error)
    if "not found" in text or "manifest unknown" in text.lower():
        return f"failed to resolve ref {image}: {image}: not found"
    return error.explanation or text


def _without_tag(name: str) -> str:
    """A colon before the last slash belongs to the registry's port, not to the tag."""
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _digest(attributes: dict[str, Any], repository: str) -> str:
    digests = [name.partition("@") for name in attributes.get("RepoDigests", [])]
    return next(str(digest) for name, _, digest in digests if name == repository)


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot: process ids are used again."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]
