"""ECR's authorization tokens, and the credentials with which the sandbox's own engine pulls."""

import base64
import hmac
import secrets
import threading
import time
from typing import Final, Literal

__all__ = ["LIFETIME", "USERNAME", "Tokens"]

LIFETIME: Final = 12 * 3600.0
"""Seconds for which an authorization token is valid. Source: ECR GetAuthorizationToken."""
USERNAME: Final = "AWS"

_KEPT: Final = 1000


class Tokens:
    """
    The tokens that one registry has issued.

    `pull_password` is the engine's own: on AWS the task execution role gets it a token.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expires: dict[str, float] = {}
        self.pull_password = secrets.token_urlsafe(32)

    def issue(self) -> tuple[str, float]:
        """Issue an authorization token, base64 of `AWS:password`; and its expiry, epoch seconds."""
        password, expires = secrets.token_urlsafe(32), time.time() + LIFETIME
        with self._lock:
            self._expires[password] = expires
            while len(self._expires) > _KEPT:
                del self._expires[next(iter(self._expires))]
        return base64.b64encode(f"{USERNAME}:{password}".encode()).decode(), expires

    def check(self, authorization: str) -> Literal["valid", "expired", "unknown"]:
        """Check an `Authorization` header."""
        scheme, _, value = authorization.partition(" ")
        try:
            username, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            return "unknown"
        if scheme.lower() != "basic" or username != USERNAME:
            return "unknown"
        if hmac.compare_digest(password.encode(), self.pull_password.encode()):
            return "valid"
        with self._lock:
            expires = self._expires.get(password)
        if expires is None:
            return "unknown"
        return "valid" if time.time() < expires else "expired"
