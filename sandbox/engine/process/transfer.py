"""
Moves images between the store and registries.

Source: OCI Distribution Specification 1.1; the wording of progress and errors is Docker's.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sandbox.engine.content.image import ARCHITECTURE, Image, load_image
from sandbox.engine.content.store import Store
from sandbox.engine.process.reference import Reference
from sandbox.engine.process.registry_client import RegistryClient, RegistryRefused, connected

__all__ = ["Transfer"]

_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


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
        with connected(reference, login) as registry:
            # A login is checked here, because an answer to HEAD cannot say why it was refused.
            registry.send("GET", "/v2/")
            for blob in image.blobs:
                status = self._push_blob(registry, reference, blob["digest"])
                yield {"status": status, "progressDetail": {}, "id": blob["digest"][7:19]}
            body = self._store.read(image.digest)
            path = f"/v2/{reference.path}/manifests/{reference.pinned_or_tag}"
            registry.send("PUT", path, body, {"Content-Type": image.media_type})
        yield {"status": f"{reference.tag}: digest: {image.digest} size: {len(body)}"}
        aux = {"Tag": reference.tag, "Digest": image.digest, "Size": len(body)}
        yield {"progressDetail": {}, "aux": aux}

    def pull(self, reference: Reference, login: tuple[str, str] | None) -> Image:
        """
        Pull what the store does not have; as in ECS, the registry is always asked.

        Raises:
            RegistryRefused: The registry does not have it, does not answer, or sends other content.
        """
        with connected(reference, login) as registry:
            digest = self._pull_manifest(registry, reference.path, reference.pinned_or_tag)
            manifest = json.loads(self._store.read(digest))
            if "manifests" in manifest:
                digest = self._pull_manifest(registry, reference.path, _for_this_machine(manifest))
                manifest = json.loads(self._store.read(digest))
            for blob in [*manifest["layers"], manifest["config"]]:
                if not self._store.has(blob["digest"]):
                    self._pull_blob(registry, reference.path, blob["digest"])
        return load_image(self._store, digest)

    def _push_blob(self, registry: RegistryClient, reference: Reference, digest: str) -> str:
        """Push a blob; return Docker's word for what happened."""
        path = f"/v2/{reference.path}/blobs"
        if registry.send("HEAD", f"{path}/{digest}", accept=(404,)).status_code == 200:
            return "Layer already exists"
        with self._lock:
            source = self._pushed.get((reference.host, digest))
        mount = f"?mount={digest}&from={source}" if source else ""
        begun = registry.send("POST", f"{path}/uploads/{mount}")
        if begun.status_code == 202:
            self._upload(registry, begun.headers["Location"], digest)
        with self._lock:
            self._pushed[reference.host, digest] = reference.path
        return "Pushed" if begun.status_code == 202 else f"Mounted from {source}"

    def _upload(self, registry: RegistryClient, location: str, digest: str) -> None:
        query = "&" if "?" in location else "?"
        headers = {"Content-Type": "application/octet-stream"}
        with self._store.path(digest).open("rb") as content:
            registry.send("PUT", f"{location}{query}digest={digest}", content, headers)

    def _pull_manifest(self, registry: RegistryClient, path: str, wanted: str) -> str:
        accept = {"Accept": ", ".join(_MANIFESTS)}
        body = registry.send("GET", f"/v2/{path}/manifests/{wanted}", headers=accept).content
        digest = self._store.add(body)
        if wanted.startswith("sha256:") and digest != wanted:
            raise RegistryRefused(f"manifest verification failed for digest {wanted}: got {digest}")
        return digest

    def _pull_blob(self, registry: RegistryClient, path: str, digest: str) -> None:
        with self._store.temporary() as file:
            found = registry.download(f"/v2/{path}/blobs/{digest}", file)
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
