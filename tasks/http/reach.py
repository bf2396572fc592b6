"""Whether this machine reaches the load balancer through the URL that checks use."""

import asyncio
from typing import Final

from tasks.http.client import Route, fetch
from tasks.http.session import open_session

__all__ = ["why_unreachable"]

_ATTEMPTS: Final = 3
_PAUSE: Final = 0.5


async def why_unreachable(route: Route, path: str) -> str | None:
    """
    Send a GET, and again where there is no response.

    Args:
        route: Where it is sent.
        path: One that is safe to request.

    Returns:
        Why there is no response; None where there is one, whatever its status.
    """
    error = None
    async with open_session() as session:
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_PAUSE)
            response = await fetch(session, route, path)
            error = response.error
            if error is None:
                break
    return error
