"""
Pushes images to a registry and pulls them from one, on this machine.

Source: OCI Distribution Specification 1.1.
"""

import base64
import hashlib
import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from sandbox.engine.content.image import ARCHITECTURE, Image, load_image
from sandbox.engine.content.store import Store
from sandbox.engine.process.reference import Reference

__all__ = ["RegistryRefused", "Transfer"]

_LOOPBACK: Final = re.compile(r"(localhost|127(\.\d+){3})(:\d+)?")
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_TIMEOUT: Final = 60.0
_PIECE: Final = 1 << 16


class RegistryRefused(Exception):
    """
    Raised when a registry does not do what it was asked; the message is its
    own, in Docker's form.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Transfer:
    """
    Moves images between the store and registries.

    Args:
        store: Where images are pushed from and pulled into.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pushed: dict[tuple[str, str], str] = {}

    def push(
        self, image: Image, reference: Reference, login: tuple[str, str] | None
    ) -> Iterator[dict[str, Any]]:
        """
        Push, skipping what the registry has, and say what happens as Docker's push does.

        Raises:
            RegistryRefused: The registry does not take it, or does not answer.
        """
        yield {"status": f"The push refers to repository [{reference.name}]"}
        with _connected(reference, login) as registry:
            # Whether the login is good is asked here, where a refusal has words; those to HEAD have
            # none.
            registry.ask("GET", "/v2/", expect=(200,))
            for blob in image.blobs:
                status = self._push_blob(registry, reference, blob["digest"])
                yield {"status": status, "progressDetail": {}, "id": blob["digest"][7:19]}
            body = self._store.read(image.digest)
            registry.ask(
                "PUT",
                f"/v2/{reference.path}/manifests/{reference.pinned_or_tag}",
                body,
                {"Content-Type": image.media_type},
                expect=(201,),
            )
        yield {"status": f"{reference.tag}: digest: {image.digest} size: {len(body)}"}
        yield {
            "progressDetail": {},
            "aux": {"Tag": reference.tag, "Digest": image.digest, "Size": len(body)},
        }

    def pull(self, reference: Reference, login: tuple[str, str] | None) -> Image:
        """
        Pull what the store does not have; the registry is always asked, as ECS does.

        Raises:
            RegistryRefused: The registry does not have it, does not answer, or sends something
                else.
        """
        with _connected(reference, login) as registry:
            digest = self._pull_manifest(registry, reference.path, reference.pinned_or_tag)
            manifest = json.loads(self._store.read(digest))
            if "manifests" in manifest:
                digest = self._pull_manifest(registry, reference.path, _for_this_machine(manifest))
                manifest = json.loads(self._store.read(digest))
            for blob in [*manifest["layers"], manifest["config"]]:
                if not self._store.has(blob["digest"]):
                    self._pull_blob(registry, reference.path, blob["digest"])
        return load_image(self._store, digest)

    def _push_blob(self, registry: "_Registry", reference: Reference, digest: str) -> str:
        path = f"/v2/{reference.path}/blobs"
        if registry.ask("HEAD", f"{path}/{digest}", expect=(200, 404))[0] == 200:
            return "Layer already exists"
        with self._lock:
            source = self._pushed.get((reference.host, digest))
        query = f"?mount={digest}&from={source}" if source else ""
        status, headers, _ = registry.ask("POST", f"{path}/uploads/{query}", expect=(201, 202))
        if status == 202:
            location = urlsplit(headers["Location"])
            query = f"{location.query}&" if location.query else ""
            content = self._store.path(digest)
            with content.open("rb") as file:
                length = {
                    "Content-Length": str(content.stat().st_size),
                    "Content-Type": "application/octet-stream",
                }
                registry.ask(
                    "PUT", f"{location.path}?{query}digest={digest}", file, length, expect=(201,)
                )
        with self._lock:
            self._pushed[reference.host, digest] = reference.path
        return "Pushed" if status == 202 else f"Mounted from {source}"

    def _pull_manifest(self, registry: "_Registry", path: str, wanted: str) -> str:
        accept = {"Accept": ", ".join(_MANIFESTS)}
        _, _, body = registry.ask(
            "GET", f"/v2/{path}/manifests/{wanted}", headers=accept, expect=(200,)
        )
        digest = self._store.add(body)
        if wanted.startswith("sha256:") and digest != wanted:
            raise RegistryRefused(f"manifest verification failed for digest {wanted}: got {digest}")
        return digest

    def _pull_blob(self, registry: "_Registry", path: str, digest: str) -> None:
        with self._store.temporary() as file:
            found = registry.fetch(f"/v2/{path}/blobs/{digest}", file)
            if found != digest:
                raise RegistryRefused(
                    f"filesystem layer verification failed for digest {digest}: got {found}"
                )
            self._store.adopt(file, digest)


def _for_this_machine(index: Mapping[str, Any]) -> str:
    for entry in index["manifests"]:
        platform = entry.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", ARCHITECTURE):
            return str(entry["digest"])
    raise RegistryRefused(
        f"no matching manifest for linux/{ARCHITECTURE} in the manifest list entries"
    )


@contextmanager
def _connected(reference: Reference, login: tuple[str, str] | None) -> Iterator["_Registry"]:
    if not _LOOPBACK.fullmatch(reference.host):
        raise RegistryRefused(
            f"{reference.host or 'docker.io'}: the embedded engine reaches registries on this "
            "machine alone; "
            "use a Docker engine: --engine docker"
        )
    with closing(http.client.HTTPConnection(reference.host, timeout=_TIMEOUT)) as connection:
        try:
            yield _Registry(connection, login)
        except OSError as error:
            raise RegistryRefused(f'Get "http://{reference.host}/v2/": {error}') from None


class _Registry:
    """A connection to a registry, which is used for one request after the other."""

    def __init__(
        self, connection: http.client.HTTPConnection, login: tuple[str, str] | None
    ) -> None:
        self._connection = connection
        self._login = {"Authorization": f"Basic {_base64(*login)}"} if login else {}

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        expect: tuple[int, ...],
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """
        Status, headers and body of the answer; refused when it has another
        status than expected.
        """
        self._connection.request(method, path, body, {**self._login, **(headers or {})})
        with self._connection.getresponse() as response:
            content = response.read()
            if response.status not in expect:
                raise self._refusal(response.status, content)
            return response.status, response.headers, content

    def fetch(self, path: str, file: Path) -> str:
        """Write a blob to a file; return the digest of what came."""
        self._connection.request("GET", path, headers=self._login)
        digest = hashlib.sha256()
        with self._connection.getresponse() as response, file.open("wb") as target:
            if response.status != 200:
                raise self._refusal(response.status, response.read())
            while piece := response.read(_PIECE):
                digest.update(piece)
                target.write(piece)
        return "sha256:" + digest.hexdigest()

    def _refusal(self, status: int, body: bytes) -> RegistryRefused:
        """The registry's first error as Docker words it: `tag invalid: The image tag …`."""
        if status == 401 and not self._login:
            return RegistryRefused("no basic auth credentials", status)
        try:
            error = json.loads(body)["errors"][0]
            code = error["code"].lower().replace("_", " ")
            return RegistryRefused(f"{code}: {error['message']}", status)
        except (ValueError, LookupError, TypeError):
            return RegistryRefused(f"received unexpected HTTP status: {status}", status)


def _base64(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()
