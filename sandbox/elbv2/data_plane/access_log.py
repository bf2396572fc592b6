"""One line of HAProxy's access log, as written by `log-format` in haproxy.cfg."""

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Request", "read_request"]

_TAG: Final = "request"
_NONE: Final = "-"


@dataclass(frozen=True)
class Request:
    """What became of one request."""

    did: Literal["forward", "fixed", "redirect", "none", "-"]
    """What the listener did: `none` found no target, `-` never got as far as the rules."""
    group: str | None
    """`targetgroup/name/id` of the group whose target was chosen."""
    status: int
    """HTTP status that the client got; below 100 when it got none."""
    ended: str
    """HAProxy's termination code, e.g. `SC`: no connection to the target."""
    target_time: float | None
    """Seconds until the target's response headers; None when it did not answer."""
    time: float
    """When it was over, in seconds since the epoch."""

    @property
    def answered(self) -> bool:
        """Whether the response is the target's own."""
        return self.target_time is not None


def read_request(line: str) -> Request | None:
    """Read a line; None for the lines in which HAProxy tells of itself."""
    tag, *fields = line.split(" ")
    if tag != _TAG or len(fields) != 7:
        return None
    did, group, status, ended, began, answered, now = fields
    return Request(
        did=did,  # type: ignore[arg-type]
        group=None if group == _NONE else group,
        status=int(status),
        ended=ended,
        target_time=None if answered == _NONE else (int(answered) - int(began)) / 1e6,
        time=int(now) / 1e6,
    )
