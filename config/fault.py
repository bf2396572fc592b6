"""Says what is wrong with a value: where it stands, what it is, and what would be right."""

import difflib
import json
import re
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.split import SplitConfig

__all__ = ["fault_lines"]

# What is wanted, and the remedy, where pydantic's own words are Python's or lead nowhere.
_WORDS: Final = {
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


def fault_lines(error: ValidationError) -> list[str]:
    """
    One line for every fault, e.g. `services[1].port: 70000 should be less than or equal to 65535;
    lower it`.
    """
    details = [detail for detail in error.errors() if not _is_echo(detail)]
    # A misspelt key is one fault, although the key that was meant is missing as well.
    meant = {
        (*detail["loc"][:-1], _meant(detail["loc"]))
        for detail in details
        if detail["type"] == "extra_forbidden"
    }
    kept = [
        detail for detail in details if detail["type"] != "missing" or detail["loc"] not in meant
    ]
    return [line for detail in kept for line in _describe(detail)]


def _is_echo(detail: ErrorDetails) -> bool:
    """
    A list with a faulty item counts as empty afterwards: that second finding
    would only puzzle.
    """
    return detail["type"] == "too_short" and bool(detail["input"])


def _describe(detail: ErrorDetails) -> list[str]:
    location = _location(detail["loc"])
    if detail["type"] == "value_error":
        return [_joined(location, line) for line in str(detail["ctx"]["error"]).splitlines()]
    if detail["type"].startswith("union_tag"):
        return [f"{location}.{_wrong_tag(detail)}"]
    return [f"{location}: {_wrong_value(detail)}"]


def _joined(location: str, message: str) -> str:
    """Our own validators begin with the part of the path that pydantic does not know."""
    return f"{location}{'.' if location and message[0] not in '[:' else ''}{message}"


def _wrong_tag(detail: ErrorDetails) -> str:
    """The key that says which of several forms a mapping has, and what is wrong with it."""
    union = _schema_at(detail["loc"])["discriminator"]
    known = ", ".join(repr(tag) for tag in union["mapping"])
    if detail["type"] == "union_tag_not_found":
        return (
            f"{union['propertyName']}: is missing in {_shown(detail['input'])}; add it, with one "
            f"of {known}"
        )
    return (
        f"{union['propertyName']}: {_shown(detail['ctx']['tag'])} is none of {known}; choose "
        "one of them"
    )


def _wrong_value(detail: ErrorDetails) -> str:
    value = _shown(detail["input"], detail["loc"])
    match detail["type"]:
        case "missing":
            text = "is missing; add it"
        case "extra_forbidden":
            text = f"unknown key (with {value}); {_suggestion(detail['loc'])}"
        case "invalid_key":
            text = f"the key {value} is not text; write it in quotes, or take it out"
        case "too_short":
            text = f"{value} is empty; give at least one"
        case "string_pattern_mismatch":
            examples = _schema_at(detail["loc"]).get("examples", ())
            like = f"write it like {examples[0]!r}" if examples else "write it in that form"
            text = f"{value} should match {detail['ctx']['pattern']}; {like}"
        case kind:
            wanted, remedy = _WORDS.get(kind, (None, "change it"))
            wanted = (
                wanted or detail["msg"].partition("should ")[2] or f"be right ({detail['msg']})"
            )
            text = f"{value} should {wanted}; {remedy}"
    return text


def _location(parts: tuple[int | str, ...]) -> str:
    text = ""
    for index, part in enumerate(parts):
        if isinstance(part, int):
            text += f"[{part}]"
        elif not _is_tag(parts[: index + 1]):
            text += f".{part}" if text else part
    return text.removesuffix(".[key]")


def _suggestion(parts: tuple[int | str, ...]) -> str:
    meant = _meant(parts)
    return (
        f"did you mean {meant!r}?"
        if meant
        else f"take it out; known are {', '.join(_known(parts[:-1]))}"
    )


def _meant(parts: tuple[int | str, ...]) -> str | None:
    """The key that was probably meant, from the model that the unknown key stands in."""
    return next(iter(difflib.get_close_matches(str(parts[-1]), _known(parts[:-1]), n=1)), None)


def _known(parts: tuple[int | str, ...]) -> list[str]:
    return sorted(_schema_at(parts).get("properties", ()))


def _is_tag(parts: tuple[int | str, ...]) -> bool:
    """
    Whether the last part is a discriminated union's tag: pydantic's locations have it, paths in the
    file do not.
    """
    return parts[-1] in _schema_at(parts[:-1]).get("discriminator", {}).get("mapping", ())


def _schema_at(parts: tuple[int | str, ...]) -> dict[str, Any]:
    """The JSON Schema that describes the value at a location; empty where anything goes."""
    node = _schema()
    for part in parts:
        if isinstance(part, int):
            inner = node.get("items")
        elif "discriminator" in node:
            inner = {"$ref": node["discriminator"]["mapping"].get(part)}
        else:
            inner = node.get("properties", {}).get(part, node.get("additionalProperties"))
        node = _resolved(inner) if isinstance(inner, dict) else {}
    return node


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in node:
        node = next(choice for choice in node["anyOf"] if choice.get("type") != "null")
    if node.get("$ref"):
        definition: dict[str, Any] = _schema()["$defs"][node["$ref"].rpartition("/")[2]]
        return definition
    return node


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return SplitConfig.model_json_schema()


def _shown(value: Any, parts: tuple[int | str, ...] = ()) -> str:
    """
    The value as the file has it, unless its key says that it is a secret:
    messages end up in logs.
    """
    if any(_SECRET.search(part) for part in parts[-1:] if isinstance(part, str)):
        return "a value not shown here"
    try:
        text = json.dumps(value, default=str)
    except (
        TypeError,
        ValueError,
    ):  # YAML has keys of other types, and values that hold themselves; JSON has neither
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
