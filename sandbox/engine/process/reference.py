"""Image references: `host:port/repository:tag@sha256:…`."""

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Reference", "read_reference"]

_REFERENCE: Final = re.compile(
    r"(?:(?P<host>localhost(?::\d+)?|[\w.-]+:\d+|[\w-]+(?:\.[\w-]+)+)/)?(?P<path>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Reference:
    """An image reference, in its parts."""

    host: str
    """`host:port` of the registry; empty when none is named."""
    path: str
    """Repository in the registry."""
    tag: str
    """`latest` when neither tag nor digest is named."""
    digest: str
    """Empty when it is not pinned."""

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.host}/{self.path}" if self.host else self.path

    @property
    def tagged(self) -> str:
        """Name and tag."""
        return f"{self.name}:{self.tag}"

    @property
    def pinned_or_tag(self) -> str:
        """What to request from the registry."""
        return self.digest or self.tag


def read_reference(text: str) -> Reference | None:
    """Read a reference; None when it is not one."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return None
    tag = found["tag"] or ("" if found["digest"] else "latest")
    return Reference(found["host"] or "", found["path"], tag, found["digest"] or "")
