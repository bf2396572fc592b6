"""
Actions that moto does not have: an error that AWS clients can read, in the
protocol of the call.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from moto.core.errors import COMMON_ERROR_CODES
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from sandbox.api.replace import replace

__all__ = ["patch"]

_STATUS: Final = 501


class _NotImplemented(ServiceException):
    """A class of ours: of its own, moto looks up the service model by the module."""

    code = "NotImplemented"


@cache
def patch() -> None:
    """Answer them; moto raises an exception, of which the client sees a page of HTML."""
    replace(BaseResponse, "call_action", _call_action)
    # moto warns of a code that the service's model does not have; this one is none of AWS's.
    COMMON_ERROR_CODES.append(_NotImplemented.code)


def _call_action(moto: Callable[..., Any], response: Any) -> Any:
    try:
        return moto(response)
    except NotImplementedError as missing:
        error = _NotImplemented(f"Not part of this sandbox: {missing}")
        _, headers, body = response.serialized(ActionResult(error))
        return _STATUS, headers, body
