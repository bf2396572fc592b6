"""Actions that moto does not have: an error that AWS clients can read, in the protocol of the call."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from sandbox.control.strict.replace import replace

__all__ = ["patch"]

_STATUS: Final = 501


@cache
def patch() -> None:
    """Answer them; moto raises an exception, of which the client sees a page of HTML."""
    replace(BaseResponse, "call_action", _call_action)


def _call_action(moto: Callable[..., Any], response: Any) -> Any:
    try:
        return moto(response)
    except NotImplementedError as missing:
        error = ServiceException("NotImplemented", f"Not part of this sandbox: {missing}")
        _, headers, body = response.serialized(ActionResult(error))
        return _STATUS, headers, body
