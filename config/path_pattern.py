"""
ALB path patterns: what they match, and how two of them relate.

`*` matches any number of characters (also none, also `/`), `?` exactly one; the rest is literal and case-sensitive.
Source: ELB user guide, "Condition types for listener rules", path conditions.
"""

import re
from functools import lru_cache
from typing import Final

__all__ = ["covers", "is_valid", "matches", "overlaps"]

_ALLOWED: Final = re.compile(r"""^/[A-Za-z0-9_\-.$/~"'@:+&*?]*$""")
_ANY: Final = "*"
_ONE: Final = "?"


def is_valid(pattern: str) -> bool:
    """Whether ELBv2 takes the pattern and a request path can ever match it (those begin with `/`)."""
    return bool(_ALLOWED.match(pattern)) or pattern in ("*", "/*")


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    wild = {_ANY: ".*", _ONE: "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in pattern), re.DOTALL)


def matches(pattern: str, path: str) -> bool:
    """Whether a request for `path` (without its query string) meets the pattern."""
    return _expression(pattern).fullmatch(path) is not None


@lru_cache(maxsize=65536)
def overlaps(one: str, other: str) -> bool:
    """Whether some path matches both patterns."""
    if not one or not other:
        return all(char == _ANY for char in one + other)
    if one[0] == _ANY:
        return overlaps(one[1:], other) or overlaps(one, other[1:])
    if other[0] == _ANY:
        return overlaps(one, other[1:]) or overlaps(one[1:], other)
    same = one[0] == other[0] or _ONE in (one[0], other[0])
    return same and overlaps(one[1:], other[1:])


@lru_cache(maxsize=65536)
def covers(wide: str, narrow: str) -> bool:
    """Whether every path that matches `narrow` also matches `wide`."""
    if not wide:
        return not narrow
    if wide[0] == _ANY:
        return covers(wide[1:], narrow) or (bool(narrow) and covers(wide, narrow[1:]))
    if not narrow or narrow[0] == _ANY:
        return False
    same = wide[0] in (_ONE, narrow[0])
    return same and covers(wide[1:], narrow[1:])
