"""Images and containers as the Docker Engine API shows them."""

import time
from typing import Any

from sandbox.engine.content.image import Image
from sandbox.engine.process.run.container import ProcessContainer

__all__ = ["container_details", "has_labels", "list_container", "list_image"]


def list_image(image: Image, tags: list[str], digests: list[str]) -> dict[str, Any]:
    """An image as `docker images` shows it."""
    return {
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


def list_container(container: ProcessContainer) -> dict[str, Any]:
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


def container_details(container: ProcessContainer) -> dict[str, Any]:
    """What `docker inspect` shows differently from `docker ps`."""
    environment = container.spec.environment
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
            "Env": [f"{name}={value}" for name, value in environment.items()],
        },
        "NetworkSettings": {
            "IPAddress": container.address,
            "Networks": {"loopback": {"IPAddress": container.address}},
        },
    }


def has_labels(container: ProcessContainer, wanted: list[str]) -> bool:
    """Whether it has every label, given as `name` or `name=value`."""
    return all(_has_label(container, label) for label in wanted)


def _has_label(container: ProcessContainer, wanted: str) -> bool:
    name, equals, value = wanted.partition("=")
    labels = container.spec.labels
    return labels.get(name) == value if equals else name in labels
