"""
ALB path patterns: what they match, and how two of them relate.

`*` matches any number of characters (also none, also `/`), `?` exactly one; the rest is literal and
case-sensitive.
Source: ELB user guide, "Condition types for listener rules", path conditions.
"""

import re
from functools import lru_cache
from typing import Final

__all__ = ["covers", "is_valid", "matches", "overlaps"]

_ALLOWED: Final = re.compile(r"""[/*?][A-Za-z0-9_\-.$/~"'@:+&*?]*""")
_ANY: Final = "*"
_ONE: Final = "?"
_EXPRESSIONS: Final = {_ANY: ".*", _ONE: "."}


def is_valid(pattern: str) -> bool:
    """Whether ELBv2 accepts the pattern and a path, which begins with `/`, can match it."""
    return _ALLOWED.fullmatch(pattern) is not None


def matches(pattern: str, path: str) -> bool:
    """Whether a request for `path` (without its query string) matches the pattern."""
    return _expression(pattern).fullmatch(path) is not None


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    parts = [_EXPRESSIONS.get(char) or re.escape(char) for char in pattern]
    return re.compile("".join(parts), re.DOTALL)


@lru_cache(maxsize=65536)
def overlaps(one: str, other: str) -> bool:
    """Whether some path matches both patterns."""
    # A loop over the pairs of positions still to match: recursion would be as deep as both patterns
    # are long.
    start = (0, 0)
    seen = {start}
    left = [start]
    while left:
        i, j = left.pop()
        if i == len(one) and j == len(other):
            return True
        for along_one, along_other in _steps(one[i : i + 1], other[j : j + 1]):
            pair = (i + along_one, j + along_other)
            if pair not in seen:
                seen.add(pair)
                left.append(pair)
    return False


def _steps(here: str, there: str) -> tuple[tuple[int, int], ...]:
    """
    How far both patterns can advance from one character each (empty at the end).

    `*` matches either nothing more, or the character that the other pattern has next.
    """
    if here == _ANY:
        return ((1, 0), (0, 1)) if there else ((1, 0),)
    if there == _ANY:
        return ((0, 1), (1, 0)) if here else ((0, 1),)
    return ((1, 1),) if _is_same(here, there) else ()


def _is_same(here: str, there: str) -> bool:
    """Whether one character matches both; neither pattern may be at its end."""
    return bool(here and there) and (here == there or _ONE in (here, there))


@lru_cache(maxsize=65536)
def covers(wide: str, narrow: str) -> bool:
    """
    Whether every path that matches `narrow` also matches `wide`.

    True is certain. False may be over-cautious where `*` and `?` are side by side: that `*?` covers
    `?*` is not seen.
    """
    reach = _past_stars(wide, {0})
    for char in narrow:
        reach = _past_stars(wide, _after(wide, reach, char))
    return len(wide) in reach


def _after(wide: str, positions: set[int], char: str) -> set[int]:
    """The positions in the wide pattern after it has matched one character of the narrow one."""
    # A `*` of the narrow pattern is only ever matched by a `*` of the wide one, so it is treated as
    # a character.
    found = set()
    for position in positions:
        own = wide[position : position + 1]
        if own == _ANY:
            found.add(position)
        elif own == char or (own == _ONE and char != _ANY):
            found.add(position + 1)
    return found


def _past_stars(pattern: str, positions: set[int]) -> set[int]:
    """The positions, and those behind a `*` that matches nothing."""
    found = set(positions)
    for position in positions:
        end = position
        while pattern[end : end + 1] == _ANY:
            end += 1
            found.add(end)
    return found
