"""A line of HAProxy's access log, as written by `log-format` in haproxy.cfg."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["LoggedRequest", "read_request"]

_TAG: Final = "request"
_NONE: Final = "-"


@dataclass(frozen=True)
class LoggedRequest:
    """The outcome of one request."""

    did: Literal["forward", "fixed", "redirect", "none", "-"]
    """What the listener did: `none` found no target, `-` did not reach the rules."""
    group: str | None
    """`targetgroup/name/id` of the group whose target was chosen."""
    status: int
    """HTTP status that the client received; below 100 when it received none."""
    ended: str
    """HAProxy's termination code, e.g. `SC`: no connection to the target."""
    target_time: float | None
    """Seconds until the target's response headers; None when it did not answer."""
    time: float
    """When it ended, in seconds since the epoch."""

    @property
    def answered(self) -> bool:
        """Whether the response is the target's own."""
        return self.target_time is not None

    def counted(self) -> Iterator[str]:
        """
        The CloudWatch metrics to which the request adds one.

        Source: ELB user guide, "CloudWatch metrics for your Application Load Balancer".
        """
        if self.did == "forward":
            # CloudWatch counts only requests for which a target was chosen.
            yield "RequestCount"
            if self.answered:
                yield f"HTTPCode_Target_{self._family}_Count"
                return
            if self.ended.endswith("C") and self.ended[0] in "Ss":
                yield "TargetConnectionErrorCount"
        elif self.did == "fixed":
            yield "HTTP_Fixed_Response_Count"
        elif self.did == "redirect":
            yield "HTTP_Redirect_Count"
        yield from self._load_balancers_own_codes()

    def _load_balancers_own_codes(self) -> Iterator[str]:
        if self.status < 100:
            # The client hung up before there was an answer: ALB's own code 460.
            yield "HTTPCode_ELB_4XX_Count"
            return
        if self.status >= 300:
            yield f"HTTPCode_ELB_{self._family}_Count"
        if self.status in (500, 502, 503, 504):
            yield f"HTTPCode_ELB_{self.status}_Count"

    @property
    def _family(self) -> str:
        return f"{self.status // 100}XX"


def read_request(line: str) -> LoggedRequest | None:
    """Read a line; None for lines about HAProxy itself."""
    tag, *fields = line.split(" ")
    if tag != _TAG or len(fields) != 7:
        return None
    did, group, status, ended, began, answered, now = fields
    target_time = None if answered == _NONE else (int(answered) - int(began)) / 1e6
    return LoggedRequest(
        did=did,  # type: ignore[arg-type]
        group=None if group == _NONE else group,
        status=int(status),
        ended=ended,
        target_time=target_time,
        time=int(now) / 1e6,
    )
