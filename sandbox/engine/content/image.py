"""An OCI image in the store: its configuration, its layers, its manifest."""

import json
import platform
from dataclasses import dataclass
from typing import Any, Final

from sandbox.engine.content.base_image import BASE_SETTINGS, base_layer
from sandbox.engine.content.layer import Layer
from sandbox.engine.content.store import Store

__all__ = [
    "ARCHITECTURE",
    "BASE_ANNOTATION",
    "LAYER_TYPE",
    "MANIFEST_TYPE",
    "Image",
    "base_image",
    "load_image",
    "save_image",
]

CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
BASE_ANNOTATION: Final = "split-sandbox.base"
"""Marks the layer with the host's own Python, which a process does not need unpacked."""
ARCHITECTURE: Final = {"x86_64": "amd64", "aarch64": "arm64"}.get(
    platform.machine(), platform.machine()
)
"""The host's, as the image specification names it."""

_EPOCH: Final = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Image:
    """A complete image."""

    digest: str
    """Of the manifest."""
    id: str
    """Of the configuration: Docker's image id."""
    config: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def media_type(self) -> str:
        """The manifest's."""
        return str(self.manifest.get("mediaType", MANIFEST_TYPE))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of its containers: Env, Cmd, Entrypoint, WorkingDir and so on."""
        return self.config.get("config") or {}

    @property
    def blobs(self) -> list[dict[str, Any]]:
        """Descriptors of the layers and the configuration, which are pushed before the manifest."""
        return [*self.manifest["layers"], self.manifest["config"]]

    @property
    def base_digest(self) -> str | None:
        """Of the layer with the host's own Python; None when it has none."""
        for layer in self.manifest["layers"]:
            if BASE_ANNOTATION in layer.get("annotations", {}):
                return str(layer["digest"])
        return None

    @property
    def size(self) -> int:
        """Bytes of its layers, compressed."""
        return sum(int(layer["size"]) for layer in self.manifest["layers"])


def save_image(
    store: Store,
    settings: dict[str, Any],
    layers: list[Layer],
    history: list[dict[str, Any]],
    base: Layer | None,
) -> Image:
    """
    Write configuration and manifest, without times: equal content gives an equal image.

    Args:
        store: Holds the layers.
        settings: The configuration's `config`: Env, Cmd, …
        layers: The lowest first.
        history: One entry an instruction.
        base: The layer of the host's Python, if it is one of them.
    """
    config = {
        "created": _EPOCH,
        "architecture": ARCHITECTURE,
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": _EPOCH} | entry for entry in history],
    }
    packed = json.dumps(config, sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": store.add(packed), "size": len(packed)},
        "layers": [_layer_descriptor(layer, is_base=layer == base) for layer in layers],
    }
    return load_image(store, store.add(json.dumps(manifest, sort_keys=True).encode()))


def base_image(store: Store) -> Image:
    """The image with nothing but the host's Python."""
    layer = base_layer(store)
    return save_image(store, BASE_SETTINGS, [layer], [{"created_by": "the host's Python"}], layer)


def _layer_descriptor(layer: Layer, *, is_base: bool) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "mediaType": LAYER_TYPE,
        "digest": layer.digest,
        "size": layer.size,
    }
    if is_base:
        descriptor["annotations"] = {BASE_ANNOTATION: "python"}
    return descriptor


def load_image(store: Store, digest: str) -> Image:
    """The image whose manifest has this digest; its parts must be in the store."""
    manifest = json.loads(store.read(digest))
    config_digest = manifest["config"]["digest"]
    return Image(digest, config_digest, json.loads(store.read(config_digest)), manifest)
