"""Ownership of resources: the tags on everything this tool creates."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tasks.aws.change import Change, Conflict, Create, compare_fields

__all__ = ["ADOPTED", "CONFIG", "MANAGED_BY", "SERVICE", "TOOL", "Owner", "tag_dict", "tag_list"]

MANAGED_BY: Final = "split:managed-by"
CONFIG: Final = "split:config"
SERVICE: Final = "split:service"
TOOL: Final = "ecs-splitter"
ADOPTED: Final = "split:adopted"
"""Tag on a resource that existed before this tool adopted it: no teardown removes it."""


@dataclass(frozen=True)
class Owner:
    """The split and the service that a resource belongs to."""

    split: str
    service: str
    adopt: bool = False
    """Whether existing resources with the service's names are adopted."""

    @property
    def tags(self) -> dict[str, str]:
        """The tags of what this owner creates."""
        return {MANAGED_BY: TOOL, CONFIG: self.split, SERVICE: self.service}

    def owns(self, tags: Mapping[str, str]) -> bool:
        """Whether a resource with these tags belongs to this split."""
        return tags.get(MANAGED_BY) == TOOL and tags.get(CONFIG) == self.split

    def made(self, tags: Mapping[str, str]) -> bool:
        """Whether this tool created the resource for this split; false for an adopted one."""
        return self.owns(tags) and ADOPTED not in tags

    def tags_over(self, tags: Mapping[str, str]) -> dict[str, str]:
        """
        The tags to put on an existing resource.

        Args:
            tags: Those that it has.
        """
        if tags.get(MANAGED_BY) == TOOL:
            return self.tags
        return {**self.tags, ADOPTED: "true"}

    def compare(
        self,
        what: str,
        name: str,
        desired: Mapping[str, Any],
        observed: Mapping[str, Any] | None,
    ) -> Change:
        """
        Compare a resource's desired fields with the observed ones; its tags are among both.

        Args:
            what: Kind of resource, for a conflict's message, e.g. `target group`.
            name: Its name.
            desired: The desired fields.
            observed: The observed ones; None when the resource does not exist.
        """
        if observed is None:
            return Create()
        field = "Tags" if "Tags" in observed else "tags"
        conflict = self.conflict(what, name, observed[field])
        return conflict or compare_fields(desired, observed)

    def conflict(self, what: str, name: str, tags: Mapping[str, str]) -> Conflict | None:
        """
        Why an existing resource must not be changed; None when it may be.

        Args:
            what: Kind of resource, for the message, e.g. `target group`.
            name: Its name.
            tags: Its tags.
        """
        if self.owns(tags) or self.adopt:
            return None
        return Conflict(
            f"{what} {name} exists and {_origin(tags)}; rename service {self.service}, remove the "
            f"{what}, or adopt it with --adopt {self.service}"
        )


def _origin(tags: Mapping[str, str]) -> str:
    """Whose a resource is, for a message."""
    split = tags.get(CONFIG)
    if split:
        return f"belongs to split {split!r}"
    return "was not made by this tool"


def tag_list(tags: Mapping[str, str], *, lower: bool = False) -> list[Any]:
    """Tags in the form of AWS requests: `Key`/`Value`, in ECS `key`/`value`."""
    key = "key" if lower else "Key"
    value = "value" if lower else "Value"
    return [{key: name, value: tags[name]} for name in tags]


def tag_dict(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Tags from either form of AWS responses."""
    found = {}
    for tag in tags:
        if "Key" in tag:
            found[tag["Key"]] = tag["Value"]
        else:
            found[tag["key"]] = tag.get("value", "")
    return found
