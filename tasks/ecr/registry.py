"""Any registry, without credentials: the digest that an image's tag names."""

import hashlib
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

from tasks.ecr.reference import ImageReference

__all__ = ["MANIFEST_TYPES", "ImageMissing", "RegistryUnavailable", "read_manifest_digest"]

MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_TIMEOUT: Final = httpx.Timeout(5, connect=3)
"""Seconds. A registry that does not respond must not hold up a plan."""
_HUB: Final = {"docker.io": "registry-1.docker.io"}
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_MISSING: Final = "MANIFEST_UNKNOWN"


class RegistryUnavailable(Exception):
    """Raised when a registry does not name the digest; the message has the reason."""


class ImageMissing(Exception):
    """Raised when a registry responds that it does not have the image."""


def read_manifest_digest(reference: ImageReference) -> str:
    """
    Read the digest of a tag: of the index, where the image is for several platforms.

    Raises:
        ImageMissing: The registry has the repository, and no such tag.
        RegistryUnavailable: It cannot be reached, or does not let everybody read.

    Source: OCI distribution specification, "Pulling manifests"; the token flow is that of
        distribution.github.io/distribution/spec/auth/token.
    """
    failures = []
    for url in _urls(reference.registry):
        try:
            with _client(reference.registry) as http:
                return _read(http, url, reference)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            failures.append(str(error) or type(error).__name__)
    raise RegistryUnavailable(f"{reference.registry} does not answer ({failures[0]})")


def _urls(registry: str) -> Iterator[str]:
    """Where the registry is. As in Docker, only one on this machine may have no TLS."""
    host = _HUB.get(registry, registry)
    yield f"https://{host}"
    if _is_on_this_machine(registry):
        yield f"http://{host}"


def _is_on_this_machine(registry: str) -> bool:
    host = httpx.URL(f"http://{registry}").host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _client(registry: str) -> httpx.Client:
    """A client that takes proxies from the environment, except to this machine."""
    return httpx.Client(
        timeout=_TIMEOUT,
        follow_redirects=True,
        trust_env=not _is_on_this_machine(registry),
    )


def _read(http: httpx.Client, url: str, reference: ImageReference) -> str:
    """The digest in the response to HEAD, which registries do not count as a pull; else GET."""
    wanted = reference.digest or reference.tag
    manifest = f"{url}/v2/{reference.repository}/manifests/{wanted}"
    headers = {"Accept": MANIFEST_TYPES}
    response = http.head(manifest, headers=headers)
    if response.status_code == httpx.codes.UNAUTHORIZED:
        headers |= _authorization(http, response, reference)
        response = http.head(manifest, headers=headers)
    digest = response.headers.get("Docker-Content-Digest", "")
    if response.is_success and _DIGEST.fullmatch(digest):
        return str(digest)
    # A response to HEAD has no body, which would have the reason.
    response = http.get(manifest, headers=headers)
    if not response.is_success:
        raise _refusal(response, reference)
    return f"sha256:{hashlib.sha256(response.content).hexdigest()}"


def _authorization(
    http: httpx.Client, response: httpx.Response, reference: ImageReference
) -> Mapping[str, str]:
    """The header with a token that the registry gives to everybody."""
    challenge = response.headers.get("WWW-Authenticate", "")
    scheme, _, rest = challenge.partition(" ")
    parameters = dict(_PARAMETER.findall(rest))
    realm = parameters.pop("realm", "")
    if scheme.lower() != "bearer" or not realm:
        raise RegistryUnavailable(f"{reference.registry} requires credentials")
    parameters.pop("error", None)
    parameters.setdefault("scope", f"repository:{reference.repository}:pull")
    found = http.get(realm, params=parameters)
    if not found.is_success:
        raise _refusal(found, reference)
    answer = _json(found)
    token = answer.get("token") or answer.get("access_token")
    if not token:
        raise RegistryUnavailable(f"{reference.registry} gave no token")
    return {"Authorization": f"Bearer {token}"}


def _refusal(response: httpx.Response, reference: ImageReference) -> Exception:
    """Why the registry did not name a digest."""
    status = response.status_code
    if status == httpx.codes.NOT_FOUND and _MISSING in _error_codes(response):
        return ImageMissing(f"is not in {reference.registry}")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
        return RegistryUnavailable(
            f"{reference.registry} does not have it, or requires credentials (HTTP {status})"
        )
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RegistryUnavailable(f"{reference.registry} limits requests (HTTP {status})")
    return RegistryUnavailable(f"{reference.registry} answered HTTP {status}")


def _error_codes(response: httpx.Response) -> list[str]:
    """The codes in an error of the distribution specification."""
    errors = _json(response).get("errors")
    if not isinstance(errors, list):
        return []
    return [str(error.get("code")) for error in errors if isinstance(error, dict)]


def _json(response: httpx.Response) -> dict[str, Any]:
    """The object in a response's body; empty when there is none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
