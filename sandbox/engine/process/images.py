"""The names of an embedded engine's images; their content is in the store."""

import threading
from collections.abc import Mapping
from typing import Any

from sandbox.engine.content.image import Image
from sandbox.engine.process.reference import Reference, read_reference

__all__ = ["Images"]


class Images:
    """Images by tag, by digest and by id; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tags: dict[str, Image] = {}
        self._pinned: dict[str, Image] = {}
        self._untagged: dict[str, Image] = {}

    def tag(self, reference: Reference, image: Image) -> None:
        """Give the image a name."""
        with self._lock:
            if reference.digest:
                self._pinned[f"{reference.name}@{reference.digest}"] = image
            if reference.tag:
                self._tags[reference.tagged] = image

    def keep(self, image: Image) -> None:
        """Keep an image that has no name."""
        with self._lock:
            self._untagged[image.id] = image

    def find(self, name: str) -> Image | None:
        """The image of a reference, an image id, or the beginning of one."""
        reference = read_reference(name)
        with self._lock:
            for known in self._all():
                if name == known.id or _abbreviates(name, known.id):
                    return known
            if reference is None:
                return None
            if reference.digest:
                return self._pinned.get(f"{reference.name}@{reference.digest}")
            return self._tags.get(reference.tagged)

    def remove(self, name: str) -> list[dict[str, str]]:
        """Remove a name, or all names of an image id; return what was removed, as Docker does."""
        image, reference = self.find(name), read_reference(name)
        if image is None:
            return []
        with self._lock:
            tags, digests = self._names(image)
            names = {*tags, *digests}
            removed = names & _names_in(reference) or names
            for known in removed:
                self._tags.pop(known, None)
                self._pinned.pop(known, None)
            if removed == names:
                self._untagged.pop(image.id, None)
        answer = [{"Untagged": known} for known in sorted(removed)]
        if removed == names:
            answer.append({"Deleted": image.id})
        return answer

    def listed(self) -> list[tuple[Image, list[str], list[str]]]:
        """Every image with its tags and its digests."""
        with self._lock:
            return [(image, *self._names(image)) for image in self._all()]

    def described(self, image: Image) -> dict[str, Any]:
        """The image as Docker's API shows it."""
        with self._lock:
            tags, digests = self._names(image)
        return {
            "Id": image.id,
            "RepoTags": tags,
            "RepoDigests": digests,
            "Created": image.config.get("created", "1970-01-01T00:00:00Z"),
            "Architecture": image.config["architecture"],
            "Os": image.config["os"],
            "Size": image.size,
            "VirtualSize": image.size,
            "Config": image.settings,
            "RootFS": {"Type": "layers", "Layers": image.config["rootfs"]["diff_ids"]},
        }

    def _all(self) -> list[Image]:
        found = [*self._tags.values(), *self._pinned.values(), *self._untagged.values()]
        return list({image.id: image for image in found}.values())

    def _names(self, image: Image) -> tuple[list[str], list[str]]:
        """Its tags and its digests."""
        return _names_of(image, self._tags), _names_of(image, self._pinned)


def _abbreviates(name: str, image_id: str) -> bool:
    return len(name) >= 4 and image_id.removeprefix("sha256:").startswith(name)


def _names_in(reference: Reference | None) -> set[str]:
    if reference is None:
        return set()
    return {f"{reference.name}@{reference.digest}", reference.tagged}


def _names_of(image: Image, names: Mapping[str, Image]) -> list[str]:
    return sorted(name for name, known in names.items() if known.id == image.id)
