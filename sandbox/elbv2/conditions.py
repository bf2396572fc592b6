"""ELBv2 rule conditions: the documented lengths and characters of their values."""

import re
from typing import Any, Final

from sandbox.api.errors import AwsError

__all__ = ["check_sizes"]

_LONGEST_VALUE: Final = 128
_LONGEST_NAME: Final = 40
"""Characters of a header's name and of a method."""
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_METHOD: Final = re.compile(r"[A-Z_\-]+")
_SETTINGS: Final = {
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "path-pattern": "PathPatternConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}


def check_sizes(conditions: list[dict[str, Any]]) -> None:
    """
    Refuse conditions that are empty or too long.

    Source: RuleCondition and the settings of each field in the ELBv2 API reference.
    """
    for condition in conditions:
        field = condition.get("Field", "")
        if field not in _SETTINGS:
            raise _invalid(f"Condition field '{field}' must be one of '[{', '.join(_SETTINGS)}]'")
        settings = condition.get(_SETTINGS[field], {})
        values = [*settings.get("Values", []), *condition.get("Values", [])]
        regexes = [*settings.get("RegexValues", []), *condition.get("RegexValues", [])]
        if not values and not regexes:
            raise _invalid("A condition value must be specified")
        for value in (*values, *regexes):
            _check_value(field, value)
        if field == "http-header":
            _check_header_name(settings.get("HttpHeaderName", ""))


def _check_value(field: str, value: str | dict[str, str]) -> None:
    longest = _LONGEST_NAME if field == "http-request-method" else _LONGEST_VALUE
    texts = value.values() if isinstance(value, dict) else [value]
    for text in texts:
        if len(text) > longest:
            raise _invalid(f"Condition value '{text}' cannot be longer than '{longest}' characters")
    if isinstance(value, str):
        _check_characters(field, value)


def _check_characters(field: str, value: str) -> None:
    if not value:
        raise _invalid("A condition value cannot be empty")
    if field == "http-request-method" and not _METHOD.fullmatch(value):
        raise _invalid(f"The method '{value}' contains characters that are not valid")


def _check_header_name(name: str) -> None:
    if not name or len(name) > _LONGEST_NAME or not _HEADER.fullmatch(name):
        raise _invalid(
            f"The HTTP header name '{name}' must have 1 to {_LONGEST_NAME} characters that are "
            "valid in one"
        )
    if name.lower() == "host":
        raise _invalid("Use the field 'host-header' for the host header")


def _invalid(reason: str) -> AwsError:
    return AwsError("ValidationError", reason)
