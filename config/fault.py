"""Messages for values that are not valid: where the value is, what it is, and the remedy."""

import difflib
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.split import SplitConfig

__all__ = ["fault_lines"]

Location = tuple[int | str, ...]

# What is expected, and the remedy, where pydantic's own text is Python's or leads nowhere.
_EXPECTED: Final = {
    "string_type": ("be text", "write it as text, in quotes if need be"),
    "int_type": ("be a whole number", "write digits only"),
    "int_parsing": ("be a whole number", "write digits only"),
    "int_from_float": ("be a whole number", "write digits only"),
    "float_type": ("be a number", "write digits, e.g. 0.5"),
    "float_parsing": ("be a number", "write digits, e.g. 0.5"),
    "finite_number": ("be a number", "write digits, e.g. 0.5"),
    "bool_type": ("be true or false", "write true or false"),
    "bool_parsing": ("be true or false", "write true or false"),
    "tuple_type": ("be a list", "write a list, also of a single item"),
    "model_type": ("be a mapping", "write keys and values"),
    "model_attributes_type": ("be a mapping", "write keys and values"),
    "dict_type": ("be a mapping", "write keys and values"),
    "path_type": ("be a path", "write it as text, in quotes if need be"),
    "literal_error": (None, "choose one of them"),
    "greater_than": (None, "raise it"),
    "greater_than_equal": (None, "raise it"),
    "less_than": (None, "lower it"),
    "less_than_equal": (None, "lower it"),
    "string_too_short": (None, "lengthen it"),
    "string_too_long": (None, "shorten it"),
}
_SECRET: Final = re.compile(r"secret|password|token|credential|access_?key", re.IGNORECASE)
_LONGEST_VALUE: Final = 80


def fault_lines(error: ValidationError) -> list[str]:
    """
    One line for every fault.

    For example `services[1].port: 70000 should be less than or equal to 65535; lower it`.
    """
    lines: list[str] = []
    for detail in _without_echoes(error.errors()):
        lines += _describe(detail)
    return lines


def _without_echoes(details: Iterable[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out the errors that only follow from another one."""
    kept = [detail for detail in details if not _follows_from_an_item(detail)]
    misspelt = [detail["loc"] for detail in kept if detail["type"] == "extra_forbidden"]
    # A misspelt key is one fault, although the key that was meant is missing as well.
    meant = {(*location[:-1], _meant(location)) for location in misspelt}
    return [detail for detail in kept if detail["type"] != "missing" or detail["loc"] not in meant]


def _follows_from_an_item(detail: ErrorDetails) -> bool:
    """Whether pydantic counts a list as empty because of a faulty item."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _describe(detail: ErrorDetails) -> list[str]:
    location = _location(detail["loc"])
    if detail["type"] == "value_error":
        return [_joined(location, line) for line in str(detail["ctx"]["error"]).splitlines()]
    if detail["type"].startswith("union_tag"):
        return [f"{location}.{_wrong_tag(detail)}"]
    return [f"{location}: {_wrong_value(detail)}"]


def _joined(location: str, message: str) -> str:
    """The validators of config/ begin with the part of the path that pydantic does not know."""
    return f"{location}{'.' if location and message[0] not in '[:' else ''}{message}"


def _wrong_tag(detail: ErrorDetails) -> str:
    """What is wrong with the key that selects one of several forms of a mapping."""
    union = _schema_at(detail["loc"])["discriminator"]
    key = union["propertyName"]
    known = ", ".join(repr(tag) for tag in union["mapping"])
    if detail["type"] == "union_tag_not_found":
        return f"{key}: is missing in {_shown(detail['input'])}; add it, with one of {known}"
    return f"{key}: {_shown(detail['ctx']['tag'])} is not one of {known}; choose one of them"


def _wrong_value(detail: ErrorDetails) -> str:
    value = _shown(detail["input"], detail["loc"])
    match detail["type"]:
        case "missing":
            return "is missing; add it"
        case "extra_forbidden":
            return f"unknown key (with {value}); {_suggestion(detail['loc'])}"
        case "invalid_key":
            return f"the key {value} is not text; write it in quotes, or take it out"
        case "too_short":
            return f"{value} is empty; give at least one"
        case "string_pattern_mismatch":
            pattern = detail["ctx"]["pattern"]
            return f"{value} should match {pattern}; {_example(detail['loc'])}"
        case _:
            return f"{value} should {_expectation(detail)}"


def _example(location: Location) -> str:
    examples = _schema_at(location).get("examples", ())
    return f"write it like {examples[0]!r}" if examples else "write it in that form"


def _expectation(detail: ErrorDetails) -> str:
    expected, remedy = _EXPECTED.get(detail["type"], (None, "change it"))
    message = detail["msg"]
    expected = expected or message.partition("should ")[2] or f"be right ({message})"
    return f"{expected}; {remedy}"


def _location(parts: Location) -> str:
    text = ""
    for index, part in enumerate(parts):
        if isinstance(part, int):
            text += f"[{part}]"
        elif not _is_tag(parts[: index + 1]):
            text += f".{part}" if text else part
    return text.removesuffix(".[key]")


def _is_tag(parts: Location) -> bool:
    """Whether the last part is a union's tag: pydantic's locations have it, the file has not."""
    union = _schema_at(parts[:-1]).get("discriminator", {})
    return parts[-1] in union.get("mapping", ())


def _suggestion(parts: Location) -> str:
    meant = _meant(parts)
    if meant:
        return f"did you mean {meant!r}?"
    return f"take it out; known are {', '.join(_known(parts[:-1]))}"


def _meant(parts: Location) -> str | None:
    """The key that was probably meant, of the mapping that has the unknown one."""
    return next(iter(difflib.get_close_matches(str(parts[-1]), _known(parts[:-1]), n=1)), None)


def _known(parts: Location) -> list[str]:
    return sorted(_schema_at(parts).get("properties", ()))


def _schema_at(parts: Location) -> dict[str, Any]:
    """The JSON Schema that describes the value at a location; empty where anything is allowed."""
    node = _schema()
    for part in parts:
        inner = _inner_schema(node, part)
        node = _resolved(inner) if isinstance(inner, dict) else {}
    return node


def _inner_schema(node: dict[str, Any], part: int | str) -> Any:
    if isinstance(part, int):
        return node.get("items")
    if "discriminator" in node:
        return {"$ref": node["discriminator"]["mapping"].get(part)}
    return node.get("properties", {}).get(part, node.get("additionalProperties"))


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in node:
        node = next(choice for choice in node["anyOf"] if choice.get("type") != "null")
    if node.get("$ref"):
        name = node["$ref"].rpartition("/")[2]
        return dict(_schema()["$defs"][name])
    return node


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return SplitConfig.model_json_schema()


def _shown(value: Any, parts: Location = ()) -> str:
    """The value as in the file, unless its key sounds like a secret: messages end up in logs."""
    if parts and isinstance(parts[-1], str) and _SECRET.search(parts[-1]):
        return "a value not shown here"
    text = _as_text(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError):
        # YAML has keys of other types, and values that contain themselves; JSON has neither.
        return repr(value)
