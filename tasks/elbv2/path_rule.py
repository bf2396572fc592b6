"""The desired rules for a service's paths: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tasks.aws.tags import Owner
from tasks.elbv2.rule_matching import (
    CHUNK,
    PATH,
    ROLE,
    chunks,
    header_condition,
    path_condition,
    weighted_forward,
)
from tasks.elbv2.rules.edits import PRIORITY, forms_tag
from tasks.elbv2.rules.form import form_of

__all__ = [
    "WEIGHTS",
    "PathRule",
    "desired_path_rules",
    "desired_preview_rules",
    "nonce_response",
]

WEIGHTS: Final = "split:weights"
"""Tag on a path rule: the service's weight before and after the tool's last write, e.g. `10:50`."""
PATTERNS_PER_RULE: Final = 5
"""ELBv2 allows a rule five condition values."""
PATTERNS_PER_PREVIEW_RULE: Final = PATTERNS_PER_RULE - 1
"""Its header is a condition value too."""


@dataclass(frozen=True)
class PathRule:
    """One rule for at most five of a service's path patterns."""

    role: str
    chunk: int
    patterns: tuple[str, ...]
    owner: Owner
    header: tuple[str, str] | None = None
    """Name and value of the request header that it matches as well."""
    nonce: str | None = None
    """A random value that it answers with, instead of forwarding."""

    def actions(self, weights: Mapping[str, int]) -> list[Any]:
        """
        The actions as ELBv2 takes them.

        Args:
            weights: Weight by target group ARN, of a rule that forwards.
        """
        if self.nonce:
            return nonce_response(self.nonce)
        return weighted_forward(weights)

    @property
    def conditions(self) -> list[Any]:
        """The conditions as ELBv2 takes them."""
        conditions = [path_condition(*self.patterns)]
        if self.header:
            conditions.append(header_condition(*self.header))
        return conditions

    @property
    def tags(self) -> dict[str, str]:
        """The owner's tags, and which of its rules this is."""
        return {**self.owner.tags, ROLE: self.role, CHUNK: str(self.chunk)}

    def tags_when_created(self, actions: Sequence[Any], priority: int) -> dict[str, str]:
        """
        The tags of a new rule: a path rule begins at weight 0, and what was written is recorded.

        Args:
            actions: Those that it is made with.
            priority: The same.
        """
        if self.role != PATH:
            return self.tags
        form = form_of(self.conditions, actions)
        return {**self.tags, WEIGHTS: "0:0", PRIORITY: str(priority), **forms_tag(form)}


def desired_path_rules(patterns: tuple[str, ...], owner: Owner) -> list[PathRule]:
    """The rules that share the patterns' traffic between monolith and service."""
    numbered = enumerate(chunks(patterns, PATTERNS_PER_RULE))
    return [PathRule(PATH, chunk, part, owner) for chunk, part in numbered]


def nonce_response(nonce: str) -> list[Any]:
    """The action that answers with a nonce, without any target group."""
    response = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": nonce}
    return [{"Type": "fixed-response", "FixedResponseConfig": response}]


def desired_preview_rules(
    patterns: tuple[str, ...],
    owner: Owner,
    role: str,
    header: tuple[str, str],
    nonce: str | None = None,
) -> list[PathRule]:
    """
    The rules that send requests with a secret header to one target group only.

    Args:
        patterns: The service's path patterns.
        owner: Whose they are.
        role: `PREVIEW` for the service's target group, `CONTROL` for the monolith's.
        header: Its name and secret value.
        nonce: What they answer with instead, until it is proven that requests reach them.
    """
    numbered = enumerate(chunks(patterns, PATTERNS_PER_PREVIEW_RULE))
    return [PathRule(role, chunk, part, owner, header, nonce) for chunk, part in numbered]
