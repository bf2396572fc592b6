"""How long a service's server keeps an idle connection, and what is done when that is too short."""

from typing import Annotated

from pydantic import Field, StrictFloat, StrictInt

from config.base import ConfigModel

__all__ = ["KeepAlive"]


class KeepAlive(ConfigModel):
    """
    The service's server must keep idle connections longer than the load balancer does.

    A load balancer that sends a request on a connection which the server is closing answers 502. An
    idle connection to one of the service's targets is watched during the checks, where the target
    can be reached.
    """

    wait: Annotated[StrictInt | StrictFloat, Field(ge=0, le=4000)] = 6
    """
    Seconds that the connection is watched; 0 reads the server's `Keep-Alive` header only. Servers
    with a default of 2 or 5 seconds are found with 6; give 61 to cover an idle timeout of 60
    seconds completely.
    """
    allow_short: bool = False
    """Report a keep-alive that is too short, but continue."""
