"""One request of the tool itself: a safe method, a path, and the headers that go with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final

__all__ = ["USER_AGENT", "Request", "as_request"]

_NAME: Final = "ecs-splitter"


def _version() -> str:
    """The installed version; `dev` in a checkout that is not installed."""
    try:
        return version(_NAME)
    except PackageNotFoundError:
        return "dev"


USER_AGENT: Final = f"{_NAME}/{_version()}"
"""For example `ecs-splitter/0.1.0`: log and firewall rules can match it."""


@dataclass(frozen=True)
class Request:
    """A request that changes nothing at the server."""

    path: str
    """Path with query string, sent as written."""
    method: str = "GET"
    """`GET` or `HEAD`."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Beside those of the route; their values may be secret, so they are never shown."""

    def __str__(self) -> str:
        """For messages: `GET /api/users/1`."""
        return f"{self.method} {self.path}"


def as_request(request: Request | str) -> Request:
    """A request, also of a plain path, which means a GET."""
    if isinstance(request, str):
        return Request(request)
    return request
