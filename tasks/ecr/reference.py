"""Image references, read as Docker reads them."""

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["ImageReference", "InvalidReference", "read_reference"]

_LONGEST: Final = 255
_HUB: Final = "docker.io"
_HUB_NAMES: Final = (_HUB, "index.docker.io", "registry-1.docker.io")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?")
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_LOOKS_LIKE_AN_ID: Final = re.compile(r"[0-9a-f]{64}")
_ECR: Final = re.compile(
    r"(?P<account>[0-9]{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+"
)


class InvalidReference(ValueError):
    """Raised for text that is no image reference; the message has the reason and the remedy."""


@dataclass(frozen=True)
class ImageReference:
    """An image reference in its parts."""

    registry: str
    """Host, with its port if it has one; `docker.io` when none is named."""
    repository: str
    """Path in the registry; Docker's own images are in `library/`."""
    tag: str
    """Empty when there is only a digest; `latest` when there is neither."""
    digest: str
    """Empty when it is not pinned."""
    name: str
    """Everything before tag and digest, as it was written."""

    @property
    def pinned(self) -> bool:
        """Whether no later push can change what it names."""
        return bool(self.digest)

    @property
    def ecr(self) -> tuple[str, str] | None:
        """Account and region of a private ECR registry; None for any other registry."""
        found = _ECR.fullmatch(self.registry)
        return (found["account"], found["region"]) if found else None

    def pin(self, digest: str) -> str:
        """
        The reference with a digest in place of the tag.

        Source: ECS, ContainerDefinition `image`: `repository-url/image@digest`.
        """
        return f"{self.name}@{digest}"


def read_reference(text: str) -> ImageReference:
    """
    Read an image reference.

    Raises:
        InvalidReference: Docker would not accept it.

    Source: github.com/distribution/reference: regexp.go, normalize.go.
    """
    if len(text) > _LONGEST:
        raise InvalidReference(f"has {len(text)} characters, ECS allows {_LONGEST}; shorten it")
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise InvalidReference(
            f"{digest!r} is not a digest; write `@sha256:` and 64 hexadecimal digits"
        )
    name, tag = _split_tag(rest)
    registry, repository = _split_registry(name)
    if not tag and not digest:
        tag = "latest"
    return ImageReference(registry, repository, tag, digest, name)


def _split_tag(text: str) -> tuple[str, str]:
    """Name and tag; a colon before the last slash belongs to the registry's port."""
    folder, slash, last = text.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise InvalidReference(
            f"{tag!r} is not a tag; use letters, digits and `_.-`, at most 128 of them"
        )
    return f"{folder}{slash}{last}", tag


def _split_registry(name: str) -> tuple[str, str]:
    """Registry and repository, with Docker's defaults."""
    first, slash, rest = name.partition("/")
    if slash and _names_a_host(first):
        registry, repository = first, rest
    else:
        registry, repository = _HUB, name
    if not _HOST.fullmatch(registry):
        raise InvalidReference(f"{registry!r} is not a host name; write the registry as host:port")
    if not _PATH.fullmatch(repository):
        raise InvalidReference(_why_no_repository(repository))
    if _LOOKS_LIKE_AN_ID.fullmatch(name):
        raise InvalidReference("looks like an image id; name a repository")
    if registry not in _HUB_NAMES:
        return registry, repository
    return _HUB, repository if "/" in repository else f"library/{repository}"


def _names_a_host(first: str) -> bool:
    """Whether the first part of a name is a registry; otherwise it is a folder on Docker Hub."""
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _why_no_repository(repository: str) -> str:
    """Why a repository's name is not valid, with the remedy."""
    if repository != repository.lower():
        return f"{repository!r} has capital letters; write the repository in lower case"
    return f"{repository!r} is not a repository; write it like registry.example.com/team/users:1.4"
