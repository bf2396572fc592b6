"""The request target: path and query string as the request line carries them."""

import string
from typing import Final
from urllib.parse import quote

__all__ = ["request_target"]

_SENT_AS_IT_IS: Final = string.ascii_letters + string.digits + string.punctuation


def request_target(path: str) -> bytes:
    """
    The bytes that are sent for a configured path.

    Percent-encodings, dot segments and unusual characters arrive as configured: a load balancer
    matches its rules against exactly what it receives. Only characters that a request line cannot
    have (spaces, control characters, non-ASCII) are percent-encoded, and the fragment is left out.

    Args:
        path: Path with its query string, e.g. `/a%2Fb?x=%20y`.
    """
    without_fragment, _, _ = path.partition("#")
    quoted = quote(without_fragment, safe=_SENT_AS_IT_IS)
    return quoted.encode("ascii")
