"""
Moves images between the store and registries.

Source: OCI Distribution Specification 1.1; the wording of progress and errors is Docker's.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

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


class RegistryRefused(Exception):
    """Raised when a registry refuses a request; the message is its own, as Docker shows it."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Transfer:
    """
    Pushes and pulls.

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
        Push what the registry does not have, with Docker's progress events.

        Raises:
            RegistryRefused: The registry does not accept it, or does not answer.
        """
        yield {"status": f"The push refers to repository [{reference.name}]"}
        with _connected(reference, login) as registry:
            # A login is checked here, because an answer to HEAD cannot say why it was refused.
            _send(registry, "GET", "/v2/")
            for blob in image.blobs:
                status = self._push_blob(registry, reference, blob["digest"])
                yield {"status": status, "progressDetail": {}, "id": blob["digest"][7:19]}
            body = self._store.read(image.digest)
            path = f"/v2/{reference.path}/manifests/{reference.pinned_or_tag}"
            _send(registry, "PUT", path, body, {"Content-Type": image.media_type})
        yield {"status": f"{reference.tag}: digest: {image.digest} size: {len(body)}"}
        aux = {"Tag": reference.tag, "Digest": image.digest, "Size": len(body)}
        yield {"progressDetail": {}, "aux": aux}

    def pull(self, reference: Reference, login: tuple[str, str] | None) -> Image:
        """
        Pull what the store does not have; as in ECS, the registry is always asked.

        Raises:
            RegistryRefused: The registry does not have it, does not answer, or sends other content.
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

    def _push_blob(self, registry: httpx.Client, reference: Reference, digest: str) -> str:
        """Push a blob; return Docker's word for what happened."""
        path = f"/v2/{reference.path}/blobs"
        if _send(registry, "HEAD", f"{path}/{digest}", accept=(404,)).status_code == 200:
            return "Layer already exists"
        with self._lock:
            source = self._pushed.get((reference.host, digest))
        mount = f"?mount={digest}&from={source}" if source else ""
        begun = _send(registry, "POST", f"{path}/uploads/{mount}")
        if begun.status_code == 202:
            self._upload(registry, begun.headers["Location"], digest)
        with self._lock:
            self._pushed[reference.host, digest] = reference.path
        return "Pushed" if begun.status_code == 202 else f"Mounted from {source}"

    def _upload(self, registry: httpx.Client, location: str, digest: str) -> None:
        url = registry.base_url.join(location).copy_add_param("digest", digest)
        blob = self._store.path(digest)
        headers = {
            "Content-Length": str(blob.stat().st_size),
            "Content-Type": "application/octet-stream",
        }
        with blob.open("rb") as content:
            _check(registry.put(url, content=content, headers=headers))

    def _pull_manifest(self, registry: httpx.Client, path: str, wanted: str) -> str:
        accept = {"Accept": ", ".join(_MANIFESTS)}
        body = _send(registry, "GET", f"/v2/{path}/manifests/{wanted}", headers=accept).content
        digest = self._store.add(body)
        if wanted.startswith("sha256:") and digest != wanted:
            raise RegistryRefused(f"manifest verification failed for digest {wanted}: got {digest}")
        return digest

    def _pull_blob(self, registry: httpx.Client, path: str, digest: str) -> None:
        with self._store.temporary() as file:
            found = _download(registry, f"/v2/{path}/blobs/{digest}", file)
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
def _connected(reference: Reference, login: tuple[str, str] | None) -> Iterator[httpx.Client]:
    if not _LOOPBACK.fullmatch(reference.host):
        raise RegistryRefused(
            f"{reference.host or 'docker.io'}: the embedded engine reaches only registries on this "
            "machine; use a Docker engine: --engine docker"
        )
    url = f"http://{reference.host}"
    try:
        with httpx.Client(base_url=url, auth=login, timeout=_TIMEOUT, trust_env=False) as registry:
            yield registry
    except httpx.TransportError as error:
        raise RegistryRefused(f'Get "{url}/v2/": {error}') from None


def _send(
    registry: httpx.Client,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    accept: tuple[int, ...] = (),
) -> httpx.Response:
    """The response, unless its status is an error that is not among the accepted ones."""
    response = registry.request(method, path, content=body, headers=headers)
    return response if response.status_code in accept else _check(response)


def _check(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    status = response.status_code
    if status == 401 and "Authorization" not in response.request.headers:
        raise RegistryRefused("no basic auth credentials", status)
    raise RegistryRefused(_error_message(response), status)


def _error_message(response: httpx.Response) -> str:
    """The registry's first error as Docker shows it: `tag invalid: The image tag …`."""
    try:
        error = response.json()["errors"][0]
        code = error["code"].lower().replace("_", " ")
        return f"{code}: {error['message']}"
    except (ValueError, LookupError, TypeError):
        return f"received unexpected HTTP status: {response.status_code}"


def _download(registry: httpx.Client, path: str, file: Path) -> str:
    """Write a blob to a file; return the digest of its content."""
    digest = hashlib.sha256()
    with registry.stream("GET", path) as response, file.open("wb") as target:
        if not response.is_success:
            response.read()
        for piece in _check(response).iter_raw():
            digest.update(piece)
            target.write(piece)
    return "sha256:" + digest.hexdigest()
