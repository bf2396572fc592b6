"""The response headers that decide how a client treats a response."""

from collections.abc import Callable, Mapping
from typing import Final

from config.proof.requests import Parity
from tasks.http.client import Response

__all__ = ["compared_headers"]

_STICKINESS: Final = ("AWSALB", "AWSELB")
"""Cookies of the load balancer itself."""


def compared_headers(response: Response, parity: Parity) -> dict[str, str]:
    """The headers that are compared, by name, each in a form that does not depend on spelling."""
    ignored = {name.lower() for name in parity.ignore_headers}
    return {name: read(response) for name, read in _COMPARED.items() if name.lower() not in ignored}


def _text(name: str) -> Callable[[Response], str]:
    def read(response: Response) -> str:
        return str(response.headers.get(name, "")).strip()

    return read


def _words(name: str) -> Callable[[Response], str]:
    """A list, whose order and case do not matter."""

    def read(response: Response) -> str:
        words = str(response.headers.get(name, "")).lower().split(",")
        return ", ".join(sorted({word.strip() for word in words if word.strip()}))

    return read


def _content_type(response: Response) -> str:
    return response.content_type


def _cookie_names(response: Response) -> str:
    names = set()
    for cookie in response.headers.get_list("Set-Cookie"):
        name, _, _ = cookie.partition("=")
        names.add(name.strip())
    own = sorted(name for name in names if not name.startswith(_STICKINESS))
    return ", ".join(own)


_COMPARED: Final[Mapping[str, Callable[[Response], str]]] = {
    "Content-Type": _content_type,
    "Cache-Control": _words("Cache-Control"),
    "Location": _text("Location"),
    "Set-Cookie": _cookie_names,
    "Access-Control-Allow-Origin": _text("Access-Control-Allow-Origin"),
    "Access-Control-Allow-Credentials": _words("Access-Control-Allow-Credentials"),
    "Access-Control-Allow-Headers": _words("Access-Control-Allow-Headers"),
    "Access-Control-Allow-Methods": _words("Access-Control-Allow-Methods"),
    "Access-Control-Expose-Headers": _words("Access-Control-Expose-Headers"),
}
