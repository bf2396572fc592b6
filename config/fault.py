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
    # A misspelt key is one fault, although the key that was meant is missing as well.
    unknown = [detail["loc"] for detail in kept if detail["type"] == "extra_forbidden"]
    meant = {_meant_location(location) for location in unknown}

    def was_misspelt(detail: ErrorDetails) -> bool:
        return detail["type"] == "missing" and detail["loc"] in meant

    return [detail for detail in kept if not was_misspelt(detail)]


def _meant_location(unknown: Location) -> tuple[int | str | None, ...]:
    """Where the key belongs that was probably meant by an unknown one."""
    outer = unknown[:-1]
    return (*outer, _meant(unknown))


def _follows_from_an_item(detail: ErrorDetails) -> bool:
    """Whether pydantic counts a list as empty because of a faulty item."""
    if detail["type"] != "too_short":
        return False
    return bool(detail["input"])


def _describe(detail: ErrorDetails) -> list[str]:
    """The lines for one of pydantic's errors."""
    location = _location(detail["loc"])
    kind = detail["type"]
    if kind == "value_error":
        faults = str(detail["ctx"]["error"])
        return [_joined(location, fault) for fault in faults.splitlines()]
    if kind.startswith("union_tag"):
        return [f"{location}.{_wrong_tag(detail)}"]
    return [f"{location}: {_wrong_value(detail)}"]


def _joined(location: str, fault: str) -> str:
    """
    One line of the location and a fault.

    The validators of config/ begin with the part of the path that pydantic does not have.
    """
    if not location or fault.startswith(("[", ":")):
        return f"{location}{fault}"
    return f"{location}.{fault}"


def _wrong_tag(detail: ErrorDetails) -> str:
    """What is wrong with the key that selects one of several forms of a mapping."""
    union = _schema_at(detail["loc"])["discriminator"]
    key = union["propertyName"]
    known = ", ".join(map(repr, union["mapping"]))
    if detail["type"] == "union_tag_not_found":
        mapping = _shown(detail["input"])
        return f"{key}: is missing in {mapping}; add it, with one of {known}"
    tag = _shown(detail["ctx"]["tag"])
    return f"{key}: {tag} is not one of {known}; choose one of them"


def _wrong_value(detail: ErrorDetails) -> str:
    """What is wrong with a value, and the remedy."""
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
    """The remedy for text in a wrong form."""
    schema = _schema_at(location)
    for example in schema.get("examples", ()):
        return f"write it like {example!r}"
    return "write it in that form"


def _expectation(detail: ErrorDetails) -> str:
    """What the value should do, and the remedy."""
    expected, remedy = _EXPECTED.get(detail["type"], (None, "change it"))
    message = detail["msg"]
    if expected is None:
        _, _, expected = message.partition("should ")
    return f"{expected or f'be right ({message})'}; {remedy}"


def _location(parts: Location) -> str:
    """A path such as `services[1].port`."""
    ends = range(1, len(parts) + 1)
    text = "".join(_step(parts[:end]) for end in ends)
    return text.removeprefix(".").removesuffix(".[key]")


def _step(parts: Location) -> str:
    """The last part of a location, as it is in a path."""
    last = parts[-1]
    if isinstance(last, int):
        return f"[{last}]"
    return "" if _is_tag(parts) else f".{last}"


def _is_tag(parts: Location) -> bool:
    """Whether the last part is a union's tag: pydantic's locations have it, the file has not."""
    return parts[-1] in _tags_at(parts[:-1])


def _tags_at(parts: Location) -> dict[str, Any]:
    """The tags of the union at a location; none when there is no union."""
    schema = _schema_at(parts)
    union = schema.get("discriminator", {})
    return dict(union.get("mapping", {}))


def _suggestion(parts: Location) -> str:
    """The remedy for an unknown key."""
    meant = _meant(parts)
    if meant:
        return f"did you mean {meant!r}?"
    known = ", ".join(_known(parts))
    return f"take it out; known are {known}"


def _meant(parts: Location) -> str | None:
    """The key that was probably meant by an unknown one."""
    key = str(parts[-1])
    known = _known(parts)
    for similar in difflib.get_close_matches(key, known, n=1):
        return similar
    return None


def _known(parts: Location) -> list[str]:
    """The keys of the mapping that has an unknown one."""
    schema = _schema_at(parts[:-1])
    return sorted(schema.get("properties", ()))


def _schema_at(parts: Location) -> dict[str, Any]:
    """The JSON Schema that describes the value at a location; empty where anything is allowed."""
    node = _schema()
    for part in parts:
        inner = _inner_schema(node, part)
        if not isinstance(inner, dict):
            return {}
        node = _resolved(inner)
    return node


def _inner_schema(node: dict[str, Any], part: int | str) -> Any:
    """The schema of an item, of a union's form, or of a key's value."""
    if isinstance(part, int):
        return node.get("items")
    if "discriminator" in node:
        mapping = node["discriminator"]["mapping"]
        return {"$ref": mapping.get(part)}
    properties = node.get("properties", {})
    others = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    return properties.get(part, others[-1])


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    """A schema without references, and without the choice of null."""
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolved(choice)
    if node.get("$ref"):
        name = node["$ref"].rpartition("/")[2]
        return dict(_schema()["$defs"][name])
    return node


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return SplitConfig.model_json_schema()


def _shown(value: Any, parts: Location = ()) -> str:
    """
    The value as in the file, cut to a line.

    Unless its key sounds like a secret: messages end up in logs.
    """
    key = str(parts[-1]) if parts else ""
    if _SECRET.search(key):
        return "a value not shown here"
    text = _as_text(value)
    if len(text) <= _LONGEST_VALUE:
        return text
    return f"{text[: _LONGEST_VALUE - 3]}..."


def _as_text(value: Any) -> str:
    """The value as JSON, which is close to YAML."""
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError):
        # YAML has keys of other types, and values that contain themselves; JSON has neither.
        return repr(value)
