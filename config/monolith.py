"""The monolith: which ECS service it is, and what happens to it after the split."""

from typing import Annotated, Literal

from pydantic import Field, StrictFloat

from config.base import ConfigModel
from config.proof.requests import Check

__all__ = ["FixedResponse", "ForwardTo", "KeepDefault", "MonolithConfig"]


class KeepDefault(ConfigModel):
    """Requests that no service takes stay with the monolith, which is therefore not drained."""

    action: Literal["keep"] = "keep"
    """Keep."""


class ForwardTo(ConfigModel):
    """Requests that no service takes go to one of the services."""

    action: Literal["forward"] = "forward"
    """Forward."""
    service: str
    """Name of the service in this config."""


class FixedResponse(ConfigModel):
    """Requests that no service takes are answered by the load balancer."""

    action: Literal["fixed_response"] = "fixed_response"
    """Fixed response."""
    status_code: Annotated[str, Field(pattern=r"^[245][0-9]{2}$", examples=["404"])] = "404"
    """HTTP status."""
    content_type: Literal[
        "text/plain", "text/css", "text/html", "application/javascript", "application/json"
    ] = "text/plain"
    """Content type."""
    message_body: Annotated[str, Field(max_length=1024)] = ""
    """Body."""


class MonolithConfig(ConfigModel):
    """The ECS service to split."""

    service: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$", examples=["forum"])]
    """Its ECS service name."""
    drain: Literal["never", "approve", "auto"] = "never"
    """Whether it is drained once it is proven idle: never, after approval, or automatically."""
    default_action: Annotated[
        KeepDefault | ForwardTo | FixedResponse, Field(discriminator="action")
    ] = KeepDefault()
    """
    What happens to requests that no service takes: the listener's default action and the monolith's
    own rules.
    """
    quiet_period: Annotated[StrictFloat, Field(ge=1, le=86400)] = 300
    """
    Seconds for which its request count must stay 0 before it is drained; at least
    `longest_connection`.
    """
    longest_connection: Annotated[StrictFloat, Field(ge=0, le=86400)] | None = None
    """
    Seconds that a connection to it may stay open (WebSocket, server-sent events, long polling,
    downloads), 0 when all are short. A drain waits for as long after the last request, since open
    connections make no new requests. Null when it is not known: then the plan says what is cut.
    """
    approval_timeout: Annotated[StrictFloat, Field(ge=1, le=604800)] = 86400
    """Seconds to wait for approval; without it, nothing is changed."""
    checks: tuple[Check, ...] = ()
    """
    Requests on paths that no service takes, whose responses are checked before and after the drain.
    """

    @property
    def quiet_seconds(self) -> float:
        """Seconds without a request before the drain; then no known connection is open any more."""
        return max(self.quiet_period, self.longest_connection or 0)
