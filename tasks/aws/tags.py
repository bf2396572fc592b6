"""Whose a resource is: the tags on everything this tool makes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tasks.aws.change import Conflict

__all__ = ["ADOPTED", "CONFIG", "MANAGED_BY", "SERVICE", "TOOL", "Owner", "tag_dict", "tag_list"]

MANAGED_BY: Final = "split:managed-by"
CONFIG: Final = "split:config"
SERVICE: Final = "split:service"
TOOL: Final = "ecs-splitter"
ADOPTED: Final = "split:adopted"
"""Tag on what was there before this tool took it over: no teardown removes it."""


@dataclass(frozen=True)
class Owner:
    """
    Who wants a resource: a split, one of its services, and whether it may take over what is there
    already.
    """

    split: str
    service: str
    adopt: bool = False

    @property
    def tags(self) -> dict[str, str]:
        """The tags of what this owner makes."""
        return {MANAGED_BY: TOOL, CONFIG: self.split, SERVICE: self.service}

    def owns(self, tags: Mapping[str, str]) -> bool:
        """Whether tags say that this split made the resource."""
        return tags.get(MANAGED_BY) == TOOL and tags.get(CONFIG) == self.split

    def made(self, tags: Mapping[str, str]) -> bool:
        """Whether this split made the resource, or took it over from another split of this tool."""
        return self.owns(tags) and ADOPTED not in tags

    def tags_over(self, tags: Mapping[str, str]) -> dict[str, str]:
        """
        The tags for a resource that is there already.

        Args:
            tags: Those that it has.
        """
        return self.tags if tags.get(MANAGED_BY) == TOOL else {**self.tags, ADOPTED: "true"}

    def conflict(self, what: str, name: str, tags: Mapping[str, str]) -> Conflict | None:
        """
        Why an existing resource may not be touched; None when it may.

        Args:
            what: Kind of resource, for the message, e.g. `target group`.
            name: Its name.
            tags: Its tags.
        """
        if self.owns(tags) or self.adopt:
            return None
        stranger = (
            f"belongs to split {tags[CONFIG]!r}"
            if tags.get(CONFIG)
            else "was not made by this tool"
        )
        return Conflict(
            f"{what} {name} exists and {stranger}; rename service {self.service}, remove the "
            f"{what}, or take over "
            f"what is there with --adopt {self.service}"
        )


def tag_list(tags: Mapping[str, str], *, lower: bool = False) -> list[Any]:
    """Tags as AWS APIs take them: `Key`/`Value`, in ECS `key`/`value`."""
    key, value = ("key", "value") if lower else ("Key", "Value")
    return [{key: name, value: content} for name, content in tags.items()]


def tag_dict(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Tags from either form that AWS APIs return."""
    return {
        tag.get("Key", tag.get("key", "")): tag.get("Value", tag.get("value", "")) for tag in tags
    }
