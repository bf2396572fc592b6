"""
The patterns of a .dockerignore, as Docker reads and matches them.

Source: github.com/moby/patternmatcher: ignorefile.ReadAll, patternmatcher.go.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Ignored", "Ignores", "read_ignores"]

_BOM: Final = "\ufeff"
_WILDCARDS: Final = "*?[\\"

Ignored = tuple[bool, ...]
"""For each pattern, whether it matches a folder or one above it."""


@dataclass(frozen=True)
class _Pattern:
    """One line."""

    text: str
    """Without the `!`."""
    keeps: bool
    """Whether it began with `!`, and excludes paths from being ignored."""
    matches: Callable[[str], bool]

    def may_match_below(self, folder: str) -> bool:
        """Whether a path in a folder can match."""
        inside = f"{folder}/"
        literal = re.split(r"[*?\[\\]", self.text, maxsplit=1)[0]
        if literal.startswith(inside):
            return True
        return literal != self.text and inside.startswith(literal)


@dataclass(frozen=True)
class Ignores:
    """All lines; the last one that matches a path decides."""

    patterns: Sequence[_Pattern] = ()

    @property
    def root(self) -> Ignored:
        """What matches the context's own folder: nothing."""
        return (False,) * len(self.patterns)

    def match(self, path: str, folder: Ignored) -> Ignored:
        """
        What matches a path.

        Args:
            path: Relative to the context.
            folder: The same of the folder that the path is in.
        """
        pairs = zip(self.patterns, folder, strict=True)
        return tuple(above or pattern.matches(path) for pattern, above in pairs)

    def is_ignored(self, matched: Ignored) -> bool:
        """Whether a path is left out of the context."""
        ignored = False
        for pattern, matches in zip(self.patterns, matched, strict=True):
            if matches:
                ignored = not pattern.keeps
        return ignored

    def may_keep_below(self, folder: str) -> bool:
        """Whether a line with `!` can match something in an ignored folder."""
        return any(item.keeps and item.may_match_below(folder) for item in self.patterns)


def read_ignores(content: bytes) -> Ignores:
    """
    Read a .dockerignore.

    Raises:
        ValueError: A pattern is not valid; the message has its line.
    """
    text = content.decode("utf-8", "surrogateescape").removeprefix(_BOM)
    return Ignores(tuple(_patterns(text)))


def _patterns(text: str) -> Iterator[_Pattern]:
    """The lines that are not empty, and no comments."""
    for number, line in enumerate(text.split("\n"), 1):
        pattern = line.strip()
        if line.startswith("#") or not pattern:
            continue
        keeps = pattern.startswith("!")
        cleaned = _cleaned(pattern.removeprefix("!").strip())
        if not cleaned:
            raise ValueError(f"line {number}: {pattern!r} names nothing; take it out")
        try:
            yield _Pattern(cleaned, keeps, _matcher(cleaned))
        except re.error:
            raise ValueError(f"line {number}: {pattern!r} is not a valid pattern; fix it") from None


def _cleaned(pattern: str) -> str:
    """The pattern without `.`, `..` and slashes that mean nothing."""
    if not pattern:
        return ""
    cleaned = posixpath.normpath(pattern)
    return cleaned.lstrip("/") or "/"


def _matcher(pattern: str) -> Callable[[str], bool]:
    """
    How a pattern is matched.

    `**` at one end, without other wildcards, matches text instead of folders: `**log` also `a.log`.
    """
    inner = pattern.removeprefix("**")
    if inner != pattern and not _has_wildcards(inner):
        name = inner.removeprefix("/")
        return lambda path: path.endswith(inner) or path == name
    outer = pattern.removesuffix("**")
    if outer != pattern and not _has_wildcards(outer):
        return lambda path: path.startswith(outer)
    if not _has_wildcards(pattern):
        return lambda path: path == pattern
    expression = re.compile("".join(_expression(pattern)), re.DOTALL)
    return lambda path: expression.fullmatch(path) is not None


def _has_wildcards(pattern: str) -> bool:
    return any(sign in pattern for sign in _WILDCARDS)


_PART: Final = re.compile(
    r"(?P<last>\*\*/?$)|(?P<folders>\*\*/?)|(?P<star>\*)|(?P<one>\?)"
    r"|(?P<set>\[\^?(?:\\.|[^\]\\])+\])|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


def _expression(pattern: str) -> Iterator[str]:
    """The parts of a regular expression that matches what the pattern matches."""
    for part in _PART.finditer(pattern):
        if part["last"]:
            yield ".*"
        elif part["folders"]:
            yield "(?:.*/)?"
        elif part["star"]:
            yield "[^/]*"
        elif part["one"]:
            yield "[^/]"
        elif part["set"]:
            yield part["set"]
        elif part["plain"] == "[":
            raise re.error("unclosed set")
        else:
            yield re.escape(part["escaped"] or part["plain"])
