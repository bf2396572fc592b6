"""Requests of the embedded engine to a registry, with Docker's wording of errors."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import urljoin

import requests

from sandbox.engine.process.reference import Reference

__all__ = ["RegistryClient", "RegistryRefused", "connected", "is_on_this_machine"]

_LOOPBACK: Final = re.compile(r"(localhost|127(\.\d+){3})(:\d+)?")
_TIMEOUT: Final = 60.0
_PIECE: Final = 1 << 16


class RegistryRefused(Exception):
    """Raised when a registry refuses a request; the message is its own, as Docker shows it."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def connected(reference: Reference, login: tuple[str, str] | None) -> Iterator["RegistryClient"]:
    """
    Requests to the registry of an image reference.

    Raises:
        RegistryRefused: The registry is on another machine, or does not answer.
    """
    if not is_on_this_machine(reference.host):
        raise RegistryRefused(
            f"{reference.host or 'docker.io'}: the embedded engine reaches only registries on this "
            "machine; use a Docker engine: --engine docker"
        )
    url = f"http://{reference.host}"
    with requests.Session() as session:
        session.auth = login
        session.trust_env = False  # no proxy between here and a loopback address
        try:
            yield RegistryClient(session, url)
        except requests.RequestException as error:
            raise RegistryRefused(f'Get "{url}/v2/": {error}') from None


def is_on_this_machine(host: str) -> bool:
    """Whether a registry's host, with its port, is one that the engine reaches."""
    return bool(_LOOPBACK.fullmatch(host))


class RegistryClient:
    """Requests to one registry."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self._session, self._url = session, url

    def send(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        accept: tuple[int, ...] = (),
        stream: bool = False,
    ) -> requests.Response:
        """
        The response, unless its status is an error that is not among the accepted ones.

        Args:
            method: HTTP method.
            path: With a slash at its beginning, or a whole URL as registries give it.
            body: Of the request.
            headers: Of the request.
            accept: Status codes of 400 and more that are not errors here.
            stream: Whether to leave the response's body unread.
        """
        response = self._session.request(
            method,
            urljoin(self._url, path),
            data=body,
            headers=headers,
            timeout=_TIMEOUT,
            stream=stream,
        )
        if response.ok or response.status_code in accept:
            return response
        raise _refusal(response)

    def download(self, path: str, file: Path) -> str:
        """Write a blob to a file; return the digest of its content."""
        digest = hashlib.sha256()
        with self.send("GET", path, stream=True) as response, file.open("wb") as target:
            for piece in response.iter_content(_PIECE):
                digest.update(piece)
                target.write(piece)
        return "sha256:" + digest.hexdigest()


def _refusal(response: requests.Response) -> RegistryRefused:
    if response.status_code == 401 and "Authorization" not in response.request.headers:
        return RegistryRefused("no basic auth credentials", 401)
    return RegistryRefused(_error_message(response), response.status_code)


def _error_message(response: requests.Response) -> str:
    """The registry's first error as Docker shows it: `tag invalid: The image tag …`."""
    try:
        error = response.json()["errors"][0]
        code = error["code"].lower().replace("_", " ")
        return f"{code}: {error['message']}"
    except (ValueError, LookupError, TypeError):
        return f"received unexpected HTTP status: {response.status_code}"
