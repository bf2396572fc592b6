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
_ALONG_FIRST: Final = (1, 0)
_ALONG_SECOND: Final = (0, 1)
_ALONG_BOTH: Final = (1, 1)


def is_valid(pattern: str) -> bool:
    """Whether ELBv2 accepts the pattern and a path, which begins with `/`, can match it."""
    return _ALLOWED.fullmatch(pattern) is not None


def matches(pattern: str, path: str) -> bool:
    """
    Whether a request matches the pattern.

    Args:
        pattern: The pattern.
        path: The request's path, without its query string.
    """
    expression = _expression(pattern)
    return expression.fullmatch(path) is not None


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression."""
    text = ""
    for char in pattern:
        literal = re.escape(char)
        text += _EXPRESSIONS.get(char, literal)
    return re.compile(text, re.DOTALL)


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
        here = one[i : i + 1]
        there = other[j : j + 1]
        for along_one, along_other in _steps(here, there):
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
        return (_ALONG_FIRST, _ALONG_SECOND) if there else (_ALONG_FIRST,)
    if there == _ANY:
        return (_ALONG_SECOND, _ALONG_FIRST) if here else (_ALONG_SECOND,)
    if _is_same(here, there):
        return (_ALONG_BOTH,)
    return ()


def _is_same(here: str, there: str) -> bool:
    """
    Whether one character matches both.

    Nothing does where a pattern is at its end.
    """
    if not here or not there:
        return False
    return here == there or _ONE in (here, there)


@lru_cache(maxsize=65536)
def covers(wide: str, narrow: str) -> bool:
    """
    Whether every path that matches `narrow` also matches `wide`.

    True is certain. False may be over-cautious where `*` and `?` are side by side: that `*?` covers
    `?*` is not seen.
    """
    reach = _past_stars(wide, {0})
    for char in narrow:
        reach = _after(wide, reach, char)
        reach = _past_stars(wide, reach)
    return len(wide) in reach


def _after(wide: str, positions: set[int], char: str) -> set[int]:
    """The positions in the wide pattern after it has matched one character of the narrow one."""
    # A `*` of the narrow pattern is only ever matched by a `*` of the wide one, so it is treated as
    # a character.
    found = set()
    matching = {char} if char == _ANY else {char, _ONE}
    for position in positions:
        own = wide[position : position + 1]
        if own == _ANY:
            found.add(position)
        elif own in matching:
            found.add(position + 1)
    return found


def _past_stars(pattern: str, positions: set[int]) -> set[int]:
    """The positions, and those behind a `*` that matches nothing."""
    found = set(positions)
    for position in positions:
        rest = pattern[position:]
        stars = len(rest) - len(rest.lstrip(_ANY))
        found.update(range(position, position + stars + 1))
    return found
