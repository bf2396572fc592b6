"""The words of a Dockerfile instruction: quotes, escapes and `$variables`, as in Docker."""

import json
import re
from collections.abc import Mapping
from typing import Final

__all__ = ["InvalidWords", "expand", "json_words", "key_values", "split_words"]

_WORD: Final = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:\\.|[^"\\])*"|'[^']*')+""", re.DOTALL)
_PART: Final = re.compile(
    r"""'(?P<literal>[^']*)'|(?P<quote>")|\\(?P<escaped>.)|\$(?P<name>\w+)"""
    r"""|\$\{(?P<braced>\w+)(?::(?P<operator>[-+?])(?P<word>[^}]*))?\}|(?P<plain>.)""",
    re.DOTALL,
)


class InvalidWords(ValueError):
    """Raised when an instruction's words are not valid; the message shows them."""


def split_words(text: str) -> list[str]:
    """The words as they are written, with their quotes."""
    if _WORD.sub("", text).strip():
        raise InvalidWords(f"{text!r}: a quote is not closed")
    return _WORD.findall(text)


def expand(word: str, variables: Mapping[str, str]) -> str:
    """
    Replace `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}`; remove quotes and escapes.

    Raises:
        InvalidWords: `${NAME:?message}`, and the variable is not set.
    """
    expanded: list[str] = []
    quoted = False
    position = 0
    while found := _PART.match(word, position):
        position = found.end()
        if found["quote"]:
            quoted = not quoted
        elif found["literal"] is not None and quoted:
            # Inside double quotes an apostrophe is an ordinary character.
            expanded.append("'")
            position = found.start() + 1
        elif found["escaped"] and quoted and found["escaped"] not in '"\\$':
            expanded.append("\\" + found["escaped"])
        else:
            expanded.append(_value(found, variables))
    return "".join(expanded)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name = found["name"] or found["braced"]
    if not name:
        return found["literal"] or found["escaped"] or found["plain"] or ""
    value = variables.get(name, "")
    word = expand(found["word"] or "", variables)
    match found["operator"]:
        case "-":
            return value or word
        case "+":
            return word if value else ""
        case "?" if not value:
            raise InvalidWords(f"{name}: {word or 'is not set'}")
    return value


def json_words(text: str) -> list[str] | None:
    """The words of the exec form, `["a", "b"]`; None when it is the shell form."""
    if not text.lstrip().startswith("["):
        return None
    try:
        words = json.loads(text)
    except ValueError:
        return None
    are_words = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return words if are_words else None


def key_values(text: str, variables: Mapping[str, str]) -> dict[str, str]:
    """
    The pairs of ENV and LABEL: `a=1 b="2 3"`, or the old form `a 1`.

    Raises:
        InvalidWords: A word is not a pair.
    """
    words = split_words(text)
    if words and "=" not in words[0]:
        name, _, value = text.partition(" ")
        return {name: expand(value.strip(), variables)}
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidWords(f"{word!r} is not NAME=VALUE")
        pairs[expand(name, variables)] = expand(value, variables)
    return pairs
