"""
The Docker Engine API, as far as clients need it to build, tag and push images and to inspect
containers.

Source: Docker Engine API 1.41.
"""

import base64
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox.api.serving import read_pieces
from sandbox.engine.content.base_image import is_base
from sandbox.engine.content.image import ARCHITECTURE, Image, base_image
from sandbox.engine.content.store import Store
from sandbox.engine.process.build.build import Build, BuildRequest
from sandbox.engine.process.build.check import Abilities, find_refusals
from sandbox.engine.process.build.context import InvalidContext, unpack_context
from sandbox.engine.process.build.dockerfile import BuildRefused, read_dockerfile
from sandbox.engine.process.images import Images
from sandbox.engine.process.reference import Reference, read_reference
from sandbox.engine.process.registry_client import RegistryRefused
from sandbox.engine.process.run.container import ProcessContainer
from sandbox.engine.process.transfer import Transfer
from sandbox.engine.process.views import (
    container_details,
    has_labels,
    list_container,
    list_image,
)

__all__ = ["EngineApi"]

_VERSION: Final = "1.41"
_CHECK: Final = "/build/check"
_VERSION_PREFIX: Final = re.compile(r"^/v\d+\.\d+(?=/)")
_UNSUPPORTED: Final = (
    "the sandbox's embedded engine, which only builds, tags and pushes images, does not support"
)
_REFUSALS: Final = (BuildRefused, InvalidContext, RegistryRefused)

Events = Iterator[dict[str, Any]]
"""The progress of a build or a push."""


class NotFound(Exception):
    """Raised when there is no such image or container."""


class EngineApi:
    """
    Answers Docker clients.

    Args:
        store: Where built images are put.
        images: The engine's images.
        transfer: Pushes them.
        containers: Returns the running containers.
        abilities: What builds can do on this machine.
        find_image: Returns an image for FROM that the engine has, or can pull.
    """

    def __init__(
        self,
        store: Store,
        images: Images,
        transfer: Transfer,
        containers: Callable[[], list[ProcessContainer]],
        abilities: Abilities,
        find_image: Callable[[str], Image | None],
    ) -> None:
        self._abilities, self._find_image = abilities, find_image
        self._store, self._images = store, images
        self._transfer, self._containers = transfer, containers
        image, container = "/images/<path:name>", "/containers/<name>"
        self._routes = Map(
            [
                Rule("/_ping", endpoint=self._ping, methods=["GET"]),
                Rule("/version", endpoint=self._version, methods=["GET"]),
                Rule("/info", endpoint=self._info, methods=["GET"]),
                Rule("/build", endpoint=self._build, methods=["POST"]),
                Rule(_CHECK, endpoint=self._check_build, methods=["POST"]),
                Rule("/images/json", endpoint=self._list_images, methods=["GET"]),
                Rule(f"{image}/json", endpoint=self._inspect_image, methods=["GET"]),
                Rule(f"{image}/tag", endpoint=self._tag_image, methods=["POST"]),
                Rule(f"{image}/push", endpoint=self._push_image, methods=["POST"]),
                Rule(image, endpoint=self._remove_image, methods=["DELETE"]),
                Rule("/containers/json", endpoint=self._list_containers, methods=["GET"]),
                Rule(f"{container}/json", endpoint=self._inspect_container, methods=["GET"]),
                Rule(f"{container}/logs", endpoint=self._container_logs, methods=["GET"]),
            ],
            merge_slashes=False,
        )

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        path = _VERSION_PREFIX.sub("", request.path)
        try:
            answer, arguments = self._routes.bind("").match(path, request.method)
        except HTTPException:
            message = (
                f"{_UNSUPPORTED} {request.method} {path}; use a Docker engine: --engine docker"
            )
            return _json({"message": message}, 501)
        try:
            response: Response = answer(request, **arguments)
        except NotFound as error:
            return _json({"message": str(error)}, 404)
        return response

    def _ping(self, _request: Request) -> Response:
        # Builder version 1 stops the docker command line from using BuildKit, which needs more than
        # an HTTP API.
        headers = {"API-Version": _VERSION, "Builder-Version": "1", "OSType": "linux"}
        return Response("OK", headers=headers)

    def _version(self, _request: Request) -> Response:
        return _json(
            {
                "Platform": {"Name": "process"},
                "Components": [
                    # Docker has no such detail: a client may send a Dockerfile there to learn
                    # what of it would be refused.
                    {"Name": "process", "Version": _VERSION, "Details": {"BuildCheck": _CHECK}}
                ],
                "Version": _VERSION,
                "ApiVersion": _VERSION,
                "MinAPIVersion": "1.24",
                "Os": "linux",
                "Arch": ARCHITECTURE,
            }
        )

    def _info(self, _request: Request) -> Response:
        running = len(self._containers())
        return _json(
            {
                "Name": "process",
                "OperatingSystem": "embedded engine of the sandbox",
                "OSType": "linux",
                "ContainersRunning": running,
                "Containers": running,
                "Images": len(self._images.listed()),
            }
        )

    def _build(self, request: Request) -> Response:
        folder = tempfile.TemporaryDirectory()
        archive = Path(folder.name, "context.tar")
        with archive.open("wb") as file:
            file.writelines(read_pieces(request))
        response = _stream(self._build_events(request, archive))
        response.call_on_close(folder.cleanup)
        return response

    def _check_build(self, request: Request) -> Response:
        """All refusals of a Dockerfile, without building it."""
        instructions = read_dockerfile(request.get_data())
        arguments = json.loads(request.args.get("buildargs") or "{}")
        refusals = find_refusals(instructions, arguments, self._abilities)
        return _json({"refusals": [str(refusal) for refusal in refusals]})

    def _build_events(self, request: Request, archive: Path) -> Events:
        context = archive.with_name("context")
        with archive.open("rb") as file:
            unpack_context(file, context)
        described = _build_request(request, context)
        build = Build(self._store, described, self._abilities, self._find_image)
        for line in build.run():
            yield {"stream": line + "\n"}
        if build.image is None:
            return
        yield {"aux": {"ID": build.image.id}}
        self._images.keep(build.image)
        name = request.args.get("t", "")
        if name:
            reference = self._tag_built(name, build.image)
            yield {"stream": f"Successfully tagged {reference.tagged}\n"}

    def _tag_built(self, name: str, image: Image) -> Reference:
        reference = read_reference(name)
        if reference is None:
            raise BuildRefused(f"t: {name!r} is not an image name; use name:tag")
        self._images.tag(reference, image)
        return reference

    def _list_images(self, _request: Request) -> Response:
        return _json([list_image(*listed) for listed in self._images.listed()])

    def _inspect_image(self, _request: Request, name: str) -> Response:
        return _json(self._images.described(self._find(name)))

    def _tag_image(self, request: Request, name: str) -> Response:
        repository, tag = request.args.get("repo", ""), request.args.get("tag") or "latest"
        reference = read_reference(f"{repository}:{tag}")
        if reference is None:
            return _json({"message": "invalid reference format"}, 400)
        self._images.tag(reference, self._find(name))
        return Response(status=201)

    def _push_image(self, request: Request, name: str) -> Response:
        tagged = f"{name}:{request.args.get('tag') or 'latest'}"
        reference = read_reference(tagged)
        if reference is None:
            raise NotFound(f"invalid reference format: {tagged}")
        return _stream(self._push_events(self._find(tagged), reference, _login(request)))

    def _push_events(
        self, image: Image, reference: Reference, login: tuple[str, str] | None
    ) -> Events:
        yield from self._transfer.push(image, reference, login)
        pinned = read_reference(f"{reference.name}@{image.digest}")
        if pinned:
            self._images.tag(pinned, image)

    def _remove_image(self, _request: Request, name: str) -> Response:
        self._find(name)
        return _json(self._images.remove(name))

    def _list_containers(self, request: Request) -> Response:
        filters = json.loads(request.args.get("filters") or "{}")
        labels = list(filters.get("label", []))  # a list, or the keys of the older form
        found = [one for one in self._containers() if has_labels(one, labels)]
        return _json([list_container(one) for one in found])

    def _inspect_container(self, _request: Request, name: str) -> Response:
        found = self._find_container(name)
        return _json({**list_container(found), **container_details(found)})

    def _container_logs(self, request: Request, name: str) -> Response:
        lines = list(self._find_container(name).lines)
        tail = request.args.get("tail", "all")
        if tail.isdigit():
            lines = lines[max(0, len(lines) - int(tail)) :]
        frames = b"".join(map(_log_frame, lines))
        return Response(frames, content_type="application/vnd.docker.raw-stream")

    def _find(self, name: str) -> Image:
        image = self._images.find(name)
        if image is None and is_base(name):
            return base_image(self._store)
        if image is None:
            raise NotFound(f"No such image: {name}")
        return image

    def _find_container(self, name: str) -> ProcessContainer:
        for found in self._containers():
            is_its_id = len(name) >= 4 and found.id.startswith(name)
            if is_its_id or found.spec.name == name:
                return found
        raise NotFound(f"No such container: {name}")


def _json(answer: Any, status: int = 200) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json")


def _stream(events: Events) -> Response:
    """Send each event as a line of JSON when it happens; as in Docker, a refusal is the last."""

    def lines() -> Iterator[str]:
        try:
            for event in events:
                yield json.dumps(event) + "\r\n"
        except _REFUSALS as refusal:
            message = str(refusal)
            yield json.dumps({"errorDetail": {"message": message}, "error": message}) + "\r\n"

    return Response(lines(), content_type="application/json")


def _build_request(request: Request, context: Path) -> BuildRequest:
    query = request.args
    return BuildRequest(
        context=context,
        # For a Dockerfile outside the context, docker-py sends its name and then its content under
        # the same key; `get` returns the first.
        dockerfile=query.get("dockerfile") or "Dockerfile",
        arguments=json.loads(query.get("buildargs") or "{}"),
        labels=json.loads(query.get("labels") or "{}"),
        platform=query.get("platform", ""),
        target=query.get("target", ""),
    )


def _login(request: Request) -> tuple[str, str] | None:
    header = request.headers.get("X-Registry-Auth", "")
    padded = header + "=" * (-len(header) % 4)
    login = json.loads(base64.urlsafe_b64decode(padded) or b"{}")
    return (login["username"], login.get("password", "")) if login.get("username") else None


def _log_frame(line: str) -> bytes:
    """One frame of the multiplexed stream: 1 for stdout, then the length."""
    data = line.encode() + b"\n"
    return b"\x01\0\0\0" + len(data).to_bytes(4, "big") + data
