"""Parameters and limits of a call, from AWS's own service models, which botocore ships."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import botocore.session
from botocore.model import ServiceModel, Shape

from sandbox.api.call import Call
from sandbox.api.errors import AwsError

__all__ = ["check_limits", "read_parameters"]

_TOO_SMALL: Final = "Member must have value greater than or equal to {}"
_TOO_LARGE: Final = "Member must have value less than or equal to {}"
_TOO_SHORT: Final = "Member must have length greater than or equal to {}"
_TOO_LONG: Final = "Member must have length less than or equal to {}"
_UNLIKE: Final = "Member must satisfy regular expression pattern: {}"
_UNICODE: Final = ((r"\p{L}", r"\w"), (r"\p{N}", ""), (r"\p{Z}", " \u00a0"))
"""Unicode classes in the models' patterns, which Python does not have."""


@lru_cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def _input_shape(call: Call) -> Shape | None:
    model = _model(call.service)
    return (
        model.operation_model(call.action).input_shape
        if call.action in model.operation_names
        else None
    )


def read_parameters(call: Call) -> dict[str, Any]:
    """A query-protocol call's parameters as boto3 takes them: nested, with numbers and booleans."""
    shape = _input_shape(call)
    return {} if shape is None else _read(shape, call.parameters, "") or {}


def _read(shape: Any, form: dict[str, str], prefix: str) -> Any:
    """The value at `prefix` in the form, or None."""
    match shape.type_name:
        case "structure":
            join = f"{prefix}." if prefix else ""
            read = {
                name: _read(member, form, join + name) for name, member in shape.members.items()
            }
            return {name: value for name, value in read.items() if value is not None} or None
        case "list":
            items = _read_items(shape.member, form, f"{prefix}.member")
            return items or ([] if prefix in form else None)
        case "integer" | "long":
            return int(form[prefix]) if prefix in form else None
        case "boolean":
            return form[prefix] == "true" if prefix in form else None
        case _:
            return form.get(prefix)


def _read_items(member: Any, form: dict[str, str], prefix: str) -> list[Any]:
    numbered = re.compile(rf"{re.escape(prefix)}\.(\d+)(?:\.|$)")
    numbers = {int(found[1]) for found in map(numbered.match, form) if found}
    return [_read(member, form, f"{prefix}.{number}") for number in sorted(numbers)]


def check_limits(call: Call, parameters: dict[str, Any], code: str) -> None:
    """
    Refuse values outside the limits of the service model: ranges, lengths, enumerations, patterns.

    Raises:
        AwsError: With `code`, in the wording that all AWS services share.
    """
    shape = _input_shape(call)
    found = [] if shape is None else list(_violations(shape, parameters, ""))
    if found:
        plural = "s" if len(found) > 1 else ""
        raise AwsError(code, f"{len(found)} validation error{plural} detected: {'; '.join(found)}")


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure" if isinstance(value, dict):
            for name, member in shape.members.items():
                if value.get(name) is not None:
                    yield from _violations(member, value[name], _join(path, name))
        case "list" if isinstance(value, list):
            for number, item in enumerate(value, 1):
                yield from _violations(shape.member, item, f"{path}.{number}.member")
        case "map" if isinstance(value, dict):
            for key, item in value.items():
                yield from _violations(shape.key, key, path)
                yield from _violations(shape.value, item, f"{path}.{key}")
    if constraint := _broken_constraint(shape, value):
        yield f"Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    label = name[0].lower() + name[1:]
    return f"{path}.{label}" if path else label


def _broken_constraint(shape: Any, value: Any) -> str | None:
    if shape.type_name in ("integer", "long", "float", "double"):
        size, small, large = value, _TOO_SMALL, _TOO_LARGE
    elif shape.type_name in ("string", "list", "map"):
        size, small, large = len(value), _TOO_SHORT, _TOO_LONG
    else:
        return None
    if size < shape.metadata.get("min", size):
        return small.format(shape.metadata["min"])
    if size > shape.metadata.get("max", size):
        return large.format(shape.metadata["max"])
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        return f"Member must satisfy enum value set: [{', '.join(allowed)}]"
    pattern = shape.metadata.get("pattern")
    if shape.type_name == "string" and pattern and not _is_like(pattern, value):
        return _UNLIKE.format(pattern)
    return None


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    for name, characters in _UNICODE:
        pattern = pattern.replace(name, characters)
    try:
        return re.compile(pattern)
    except re.error:
        return None  # some models have patterns that only other languages read


def _is_like(pattern: str, text: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(text) is not None
