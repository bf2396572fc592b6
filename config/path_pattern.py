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


def is_valid(pattern: str) -> bool:
    """
    Whether ELBv2 takes the pattern and a request path can ever match it (those
    begin with `/`).
    """
    return _ALLOWED.fullmatch(pattern) is not None


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
    # A loop over the pairs of positions still to match: recursion would be as deep as both patterns
    # are long.
    seen, left = {(0, 0)}, [(0, 0)]
    while left:
        i, j = left.pop()
        if i == len(one) and j == len(other):
            return True
        for step in _steps(one[i : i + 1], other[j : j + 1]):
            pair = (i + step[0], j + step[1])
            if pair not in seen:
                seen.add(pair)
                left.append(pair)
    return False


def _steps(here: str, there: str) -> tuple[tuple[int, int], ...]:
    """
    How far both patterns can go on together from one character each (empty at the end).

    `*` either stands for nothing more, or for the character that the other pattern has next.
    """
    if here == _ANY:
        return ((1, 0), (0, 1)) if there else ((1, 0),)
    if there == _ANY:
        return ((0, 1), (1, 0)) if here else ((0, 1),)
    same = here and there and (here == there or _ONE in (here, there))
    return ((1, 1),) if same else ()


@lru_cache(maxsize=65536)
def covers(wide: str, narrow: str) -> bool:
    """
    Whether every path that matches `narrow` also matches `wide`.

    True is certain. False may be over-cautious where `*` and `?` stand side by side: `*?` covers
    `?*`, unseen.
    """
    # `*` of the narrow pattern is only ever taken by a `*` of the wide one, so it can be matched
    # like a character.
    reach = _past_stars(wide, {0})
    for char in narrow:
        reach = _past_stars(
            wide,
            {
                position if wide[position] == _ANY else position + 1
                for position in reach
                if position < len(wide)
                and (wide[position] in (_ANY, char) or (wide[position] == _ONE and char != _ANY))
            },
        )
    return len(wide) in reach


def _past_stars(pattern: str, positions: set[int]) -> set[int]:
    """The positions, and those behind a `*` that stands for nothing."""
    found = set(positions)
    for position in sorted(positions):
        end = position
        while end < len(pattern) and pattern[end] == _ANY:
            end += 1
            found.add(end)
    return found
