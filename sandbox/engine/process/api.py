"""
The Docker Engine API, as far as clients need it to build, tag and push images and to see the
containers.

Source: Docker Engine API 1.41.
"""

import base64
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.api.connection import Connection, LoopbackServer
from sandbox.engine.content.image import ARCHITECTURE, Image
from sandbox.engine.content.store import Store
from sandbox.engine.process.build.build import Build, BuildRequest
from sandbox.engine.process.build.context import InvalidContext, unpack_context
from sandbox.engine.process.build.dockerfile import BuildRefused
from sandbox.engine.process.container import ProcessContainer
from sandbox.engine.process.images import Images
from sandbox.engine.process.reference import Reference, read_reference
from sandbox.engine.process.transfer import RegistryRefused, Transfer

__all__ = ["EngineApi"]

_API: Final = "1.41"
_WHAT: Final = (
    "this is the embedded engine of the sandbox, which builds, tags and pushes images; it has no"
)
_PROBLEMS: Final = (BuildRefused, InvalidContext, RegistryRefused)


class NotFound(Exception):
    """Raised when there is no such image or container."""


class EngineApi(LoopbackServer):
    """
    Serves the API on a free port of 127.0.0.1.

    Args:
        store: Gets what is built.
        images: The engine's images.
        transfer: Pushes them.
        containers: The containers that run.
    """

    def __init__(
        self,
        store: Store,
        images: Images,
        transfer: Transfer,
        containers: Callable[[], list[ProcessContainer]],
    ) -> None:
        super().__init__(_Connection)
        self.store, self.images, self.transfer, self.containers = (
            store,
            images,
            transfer,
            containers,
        )


class _Connection(Connection):
    server: EngineApi

    def serve(self) -> None:
        url = urlsplit(self.path)
        path = re.sub(r"^/v\d+\.\d+(?=/)", "", unquote(url.path))
        # docker-py sends the name of a Dockerfile from elsewhere and then its content under one
        # name: the first counts.
        self._query = dict(reversed(parse_qsl(url.query)))
        for method, pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command == method:
                try:
                    answer(self, *found.groups())
                except NotFound as error:
                    self._json({"message": str(error)}, 404)
                return
        self._json(
            {"message": f"{_WHAT} {self.command} {path}; use a Docker engine: --engine docker"}, 501
        )

    def ping(self) -> None:
        # Builder 1 keeps the docker command line from BuildKit, which needs more than an HTTP API.
        headers = {
            "API-Version": _API,
            "Builder-Version": "1",
            "OSType": "linux",
            "Content-Type": "text/plain",
        }
        self.answer(200, headers, b"OK")

    def version(self) -> None:
        self._json(
            {
                "Platform": {"Name": "process"},
                "Components": [{"Name": "process", "Version": _API, "Details": {}}],
                "Version": _API,
                "ApiVersion": _API,
                "MinAPIVersion": "1.24",
                "Os": "linux",
                "Arch": ARCHITECTURE,
            }
        )

    def info(self) -> None:
        running = len(self.server.containers())
        images = len(self.server.images.listed())
        told = {
            "Name": "process",
            "OperatingSystem": "embedded engine of the sandbox",
            "OSType": "linux",
        }
        self._json(told | {"ContainersRunning": running, "Containers": running, "Images": images})

    def build(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            archive, context = Path(folder, "context.tar"), Path(folder, "context")
            with archive.open("wb") as file:
                for piece in self.body():
                    file.write(piece)
            self._stream(self._build(archive, context))

    def _build(self, archive: Path, context: Path) -> Iterator[dict[str, Any]]:
        with archive.open("rb") as file:
            unpack_context(file, context)
        request = BuildRequest(
            context=context,
            dockerfile=self._query.get("dockerfile") or "Dockerfile",
            arguments=json.loads(self._query.get("buildargs") or "{}"),
            labels=json.loads(self._query.get("labels") or "{}"),
            platform=self._query.get("platform", ""),
        )
        build = Build(self.server.store, request)
        for line in build.run():
            yield {"stream": line + "\n"}
        if build.image is None:
            return
        yield {"aux": {"ID": build.image.id}}
        self.server.images.keep(build.image)
        name = self._query.get("t", "")
        reference = read_reference(name) if name else None
        if reference:
            self.server.images.tag(reference, build.image)
            yield {"stream": f"Successfully tagged {reference.tagged}\n"}
        elif name:
            raise BuildRefused(f"t: {name!r} is not an image name; use name:tag")

    def list_images(self) -> None:
        listed = [
            {
                "Id": image.id,
                "RepoTags": tags,
                "RepoDigests": digests,
                "Created": 0,
                "Size": image.size,
                "VirtualSize": image.size,
                "SharedSize": -1,
                "Containers": -1,
                "ParentId": "",
                "Labels": image.settings.get("Labels"),
            }
            for image, tags, digests in self.server.images.listed()
        ]
        self._json(listed)

    def inspect_image(self, name: str) -> None:
        self._json(self.server.images.described(self._find(name)))

    def tag_image(self, name: str) -> None:
        reference = read_reference(
            f"{self._query.get('repo', '')}:{self._query.get('tag') or 'latest'}"
        )
        if reference is None:
            self._json({"message": "invalid reference format"}, 400)
            return
        self.server.images.tag(reference, self._find(name))
        self.answer(201)

    def push_image(self, name: str) -> None:
        # The body is empty for newer registries, and the login of the oldest clients for others.
        b"".join(self.body())
        name = f"{name}:{self._query.get('tag') or 'latest'}"
        reference = read_reference(name)
        if reference is None:
            raise NotFound(f"invalid reference format: {name}")
        self._stream(self._push(self._find(name), reference))

    def _push(self, image: Image, reference: Reference) -> Iterator[dict[str, Any]]:
        yield from self.server.transfer.push(image, reference, self._login())
        pinned = read_reference(f"{reference.name}@{image.digest}")
        if pinned:
            self.server.images.tag(pinned, image)

    def remove_image(self, name: str) -> None:
        self._find(name)
        self._json(self.server.images.remove(name))

    def list_containers(self) -> None:
        wanted = json.loads(self._query.get("filters") or "{}").get("label", [])
        labels = list(wanted)  # a list, or the keys of the older form
        self._json(
            [_listed(found) for found in self.server.containers() if _has_labels(found, labels)]
        )

    def inspect_container(self, name: str) -> None:
        found = self._find_container(name)
        self._json(_listed(found) | _inspected(found))

    def container_logs(self, name: str) -> None:
        lines = list(self._find_container(name).lines)
        tail = self._query.get("tail", "all")
        if tail.isdigit():
            lines = lines[max(0, len(lines) - int(tail)) :]
        framed = b""
        for line in lines:
            data = line.encode() + b"\n"
            # One frame of the multiplexed stream: 1 is stdout, then the length.
            framed += b"\x01\0\0\0" + len(data).to_bytes(4, "big") + data
        self.answer(200, {"Content-Type": "application/vnd.docker.raw-stream"}, framed)

    def _find(self, name: str) -> Image:
        image = self.server.images.find(name)
        if image is None:
            raise NotFound(f"No such image: {name}")
        return image

    def _find_container(self, name: str) -> ProcessContainer:
        for found in self.server.containers():
            if name.lstrip("/") == found.spec.name or (
                len(name) >= 4 and found.id.startswith(name)
            ):
                return found
        raise NotFound(f"No such container: {name}")

    def _login(self) -> tuple[str, str] | None:
        header = self.headers.get("X-Registry-Auth", "")
        login = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)) or b"{}")
        return (login["username"], login.get("password", "")) if login.get("username") else None

    def _stream(self, events: Iterator[dict[str, Any]]) -> None:
        """
        Send each event as a line of JSON when it happens; a refusal is the last of them, as Docker
        has it.
        """
        self.begin_answer(200, {"Content-Type": "application/json"}, None)
        try:
            for event in events:
                self._send_event(event)
        except _PROBLEMS as error:
            self._send_event({"errorDetail": {"message": str(error)}, "error": str(error)})
        self.send_chunk(b"")

    def _send_event(self, event: dict[str, Any]) -> None:
        self.send_chunk(json.dumps(event).encode() + b"\r\n")

    def _json(self, answer: Any, status: int = 200) -> None:
        self.answer(status, {"Content-Type": "application/json"}, json.dumps(answer).encode())


_ROUTES: Final[tuple[tuple[str, str, Callable[..., None]], ...]] = (
    ("GET", "/_ping", _Connection.ping),
    ("HEAD", "/_ping", _Connection.ping),
    ("GET", "/version", _Connection.version),
    ("GET", "/info", _Connection.info),
    ("POST", "/build", _Connection.build),
    ("GET", "/images/json", _Connection.list_images),
    ("GET", "/images/(.+)/json", _Connection.inspect_image),
    ("POST", "/images/(.+)/tag", _Connection.tag_image),
    ("POST", "/images/(.+)/push", _Connection.push_image),
    ("DELETE", "/images/(.+)", _Connection.remove_image),
    ("GET", "/containers/json", _Connection.list_containers),
    ("GET", "/containers/([^/]+)/json", _Connection.inspect_container),
    ("GET", "/containers/([^/]+)/logs", _Connection.container_logs),
)


def _listed(container: ProcessContainer) -> dict[str, Any]:
    """A container as `docker ps` shows it."""
    return {
        "Id": container.id,
        "Names": [f"/{container.spec.name}"],
        "Image": container.spec.image,
        "ImageID": container.image.id,
        "Command": " ".join(container.command),
        "Created": int(container.started),
        "Ports": [],
        "Labels": dict(container.spec.labels),
        "State": "running",
        "Status": f"Up {int(time.time() - container.started)} seconds",
        "NetworkSettings": {"Networks": {"loopback": {"IPAddress": container.address}}},
        "Mounts": [],
    }


def _inspected(container: ProcessContainer) -> dict[str, Any]:
    """What `docker inspect` shows otherwise."""
    return {
        "Name": f"/{container.spec.name}",
        "Image": container.image.id,
        "Created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(container.started)),
        "State": {
            "Status": "running",
            "Running": True,
            "Pid": container.pid,
            "OOMKilled": container.out_of_memory,
        },
        "Config": {
            "Image": container.spec.image,
            "Tty": False,
            "Labels": dict(container.spec.labels),
            "Env": [f"{name}={value}" for name, value in container.spec.environment.items()],
        },
        "NetworkSettings": {
            "IPAddress": container.address,
            "Networks": {"loopback": {"IPAddress": container.address}},
        },
    }


def _has_labels(container: ProcessContainer, wanted: list[str]) -> bool:
    labels = container.spec.labels
    return all(
        labels.get(name) == value if equals else name in labels
        for name, equals, value in (label.partition("=") for label in wanted)
    )
