"""Actions that moto does not have: answered with an error that AWS clients can read."""

from collections.abc import Callable
from typing import Any, Final

from moto.core import errors
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from sandbox.api.moto_patches import MotoPatches

__all__ = ["patch_moto"]

_STATUS: Final = 501


class _NotImplemented(ServiceException):
    """Its own class, because moto derives the service model from the module of the exception."""

    code = "NotImplemented"


def patch_moto(patches: MotoPatches) -> None:
    """Answer such calls with an AWS error, where moto raises and the client gets an HTML page."""
    patches.replace(BaseResponse, "call_action", _call_action)
    # Without this, moto warns that the code is not in the service's model.
    known = [*errors.COMMON_ERROR_CODES, _NotImplemented.code]
    patches.set(errors, "COMMON_ERROR_CODES", known)


def _call_action(moto: Callable[..., Any], response: Any) -> Any:
    try:
        return moto(response)
    except NotImplementedError as missing:
        error = _NotImplemented(f"Not part of this sandbox: {missing}")
        _, headers, body = response.serialized(ActionResult(error))
        return _STATUS, headers, body
