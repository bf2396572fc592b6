"""One stage of a build: the image so far, and its files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.engine.content.base_image import BASE_FOLDERS, BASE_SETTINGS, base_layer
from sandbox.engine.content.image import BASE_ANNOTATION, Image
from sandbox.engine.content.layer import Entry, Layer, content_key, write_layer
from sandbox.engine.content.store import Store
from sandbox.engine.process.build.tree import Tree
from sandbox.engine.process.run.rootfs import unpack_base, unpack_layer

__all__ = ["Stage"]


@dataclass
class Stage:
    """What a stage has, and where its files are when somebody needs them."""

    store: Store
    folder: Path
    """Its own, for unpacked files."""
    settings: dict[str, Any] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    """The lowest first."""
    history: list[dict[str, Any]] = field(default_factory=list)
    base: Layer | None = None
    """The layer of the host's Python, if it is one of them."""
    folders: set[str] = field(default_factory=set)
    """Folders that the image has already."""
    arguments: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    """Names that its layers delete, as far as they are unpacked."""
    _unpacked: int = 0

    def start_from_base(self) -> Layer:
        """Begin with the host's Python."""
        self.base = base_layer(self.store)
        self.layers.append(self.base)
        self.folders |= BASE_FOLDERS
        self.settings = {key: list(value) for key, value in BASE_SETTINGS.items()}
        return self.base

    def start_from_stage(self, other: "Stage") -> None:
        """Begin where another stage has ended."""
        self.base = other.base
        self.layers = list(other.layers)
        self.history = list(other.history)
        self.folders = set(other.folders)
        self.settings = _copy(other.settings)

    def start_from_image(self, image: Image) -> None:
        """Begin with an image."""
        described = image.manifest["layers"]
        for layer, diff_id in zip(described, image.config["rootfs"]["diff_ids"], strict=True):
            known = Layer(layer["digest"], diff_id, int(layer["size"]))
            self.layers.append(known)
            if BASE_ANNOTATION in layer.get("annotations", {}):
                self.base = known
        self.history = list(image.config.get("history", ()))
        self.settings = _copy(image.settings)
        self.folders = set(_folders_in(self.files())) | (BASE_FOLDERS if self.base else set())

    def files(self) -> Path:
        """The folder with the files of its layers, without the base image's."""
        place = self.folder / "files"
        place.mkdir(parents=True, exist_ok=True)
        for layer in self.layers[self._unpacked :]:
            if layer != self.base:
                unpack_layer(self.store.path(layer.digest), place, self.removed)
        self._unpacked = len(self.layers)
        return place

    def tree(self) -> Tree:
        """All its files, for COPY --from."""
        own = self.files()
        if self.base is None:
            return Tree(own)
        return Tree(own, unpack_base(self.store, self.base.digest), hidden=self.removed)

    def remember(self, text: str, *, empty: bool) -> None:
        """Note an instruction in the image's history."""
        entry: dict[str, Any] = {"created_by": text}
        if empty:
            entry["empty_layer"] = True
        self.history.append(entry)

    def add_layer(self, text: str, entries: list[Entry]) -> Iterator[str]:
        """Add what an instruction makes; yields Docker's progress lines."""
        # An existing folder keeps its mode: copying a file into /tmp must not close it to others.
        new = [entry for entry in entries if not (entry.is_folder and entry.name in self.folders)]
        if not new:
            self.remember(text, empty=True)
            return
        layer, existed = write_layer(self.store, content_key(new), new)
        if existed:
            yield " ---> Using cache"
        yield from self.add_existing(text, layer, [entry.name for entry in new if entry.is_folder])

    def add_existing(self, text: str, layer: Layer, folders: list[str]) -> Iterator[str]:
        """Add a layer that is in the store."""
        self.remember(text, empty=False)
        self.folders |= set(folders)
        self.layers.append(layer)
        yield f" ---> {layer.digest.removeprefix('sha256:')[:12]}"


def _copy(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, so that lists and mappings in them can be changed."""
    copied = {}
    for key, value in settings.items():
        if isinstance(value, dict | list):
            copied[key] = value.copy()
        else:
            copied[key] = value
    return copied


def _folders_in(root: Path) -> Iterator[str]:
    for place, names, _ in os.walk(root):
        for name in names:
            yield str(Path(place, name).relative_to(root))
