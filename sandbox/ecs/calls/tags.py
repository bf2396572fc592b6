"""The API actions on tags of services and tasks; moto has the tags of everything else."""

from typing import Any

from sandbox.ecs.calls.validate import invalid
from sandbox.ecs.model.service import Service
from sandbox.ecs.model.store import Store
from sandbox.ecs.model.task import Task

__all__ = ["TagCalls"]


class TagCalls:
    """Each method returns the answer to a request; None for the ARN of another resource."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def tag(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Source: ECS TagResource."""
        with self._store.lock:
            found = self._find(request)
            if found is None:
                return None
            merged = {one["key"]: one for one in (*found.tags, *request.get("tags", []))}
            found.tags = list(merged.values())
        return {}

    def untag(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Source: ECS UntagResource."""
        with self._store.lock:
            found = self._find(request)
            if found is None:
                return None
            found.tags = [one for one in found.tags if one["key"] not in request.get("tagKeys", [])]
        return {}

    def list(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Source: ECS ListTagsForResource."""
        with self._store.lock:
            found = self._find(request)
            return None if found is None else {"tags": found.tags}

    def _find(self, request: dict[str, Any]) -> Service | Task | None:
        found = self._store.tagged(request.get("resourceArn", ""))
        if isinstance(found, Service) and found.status == "INACTIVE":
            raise invalid(
                "The specified service is inactive. Specify an active service and try again."
            )
        return found
