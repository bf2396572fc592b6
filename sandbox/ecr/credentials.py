"""ECR's authorization tokens, and the one with which the sandbox's own engine pulls."""

import base64
import hmac
import secrets
import threading
import time
from typing import Final, Literal

__all__ = ["LIFETIME", "USERNAME", "Tokens", "pull_credentials"]

LIFETIME: Final = 12 * 3600.0
"""Seconds for which an authorization token is good. Source: ECR GetAuthorizationToken."""
USERNAME: Final = "AWS"

_PULL: dict[str, str] = {}
_KEPT: Final = 1000


def pull_credentials(host: str) -> tuple[str, str] | None:
    """
    User name and password with which the engine pulls; on AWS the task execution role gives it a
    token.

    Args:
        host: `host:port` of a registry in this process.

    Returns:
        None for registries of others.
    """
    password = _PULL.get(host)
    return (USERNAME, password) if password else None


class Tokens:
    """The tokens that one registry has given out."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._expires: dict[str, float] = {}
        self._pull = _PULL[host] = secrets.token_urlsafe(32)

    def issue(self) -> tuple[str, float]:
        """
        A fresh authorization token, base64 of `AWS:password`, and when it expires, in epoch
        seconds.
        """
        password, expires = secrets.token_urlsafe(32), time.time() + LIFETIME
        with self._lock:
            self._expires[password] = expires
            while len(self._expires) > _KEPT:
                del self._expires[next(iter(self._expires))]
        return base64.b64encode(f"{USERNAME}:{password}".encode()).decode(), expires

    def check(self, authorization: str) -> Literal["valid", "expired", "unknown"]:
        """What an `Authorization` header is worth."""
        scheme, _, value = authorization.partition(" ")
        try:
            username, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            return "unknown"
        if scheme.lower() != "basic" or username != USERNAME:
            return "unknown"
        if hmac.compare_digest(password.encode(), self._pull.encode()):
            return "valid"
        with self._lock:
            expires = self._expires.get(password)
        if expires is None:
            return "unknown"
        return "valid" if time.time() < expires else "expired"

    def close(self) -> None:
        """Forget all of them."""
        _PULL.pop(self._host, None)
