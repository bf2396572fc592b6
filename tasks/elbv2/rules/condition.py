"""
The conditions of a listener rule, read: what is understood of each, and what is not.

What is not understood may match every request.
Source: ELBv2 RuleCondition.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["PATH_PATTERN", "Condition", "read_condition"]

PATH_PATTERN: Final = "path-pattern"
_CONFIGS: Final = {
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    PATH_PATTERN: "PathPatternConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
_SETTINGS: Final = frozenset({"Values", "RegexValues", "HttpHeaderName", "IpAddressType"})


@dataclass(frozen=True)
class Condition:
    """One condition of a rule."""

    field: str
    """ELBv2's name, e.g. `host-header`."""
    values: tuple[str, ...]
    """With `*` and `?`; of a query string `key=value`."""
    regexes: tuple[str, ...] = ()
    header: str | None = None
    """Name of the request header."""
    unknown: tuple[str, ...] = ()
    """Parts of it that are not understood."""

    @property
    def is_plain_path(self) -> bool:
        """Whether it is about the path, and its patterns are all there is to it."""
        if self.regexes or self.unknown:
            return False
        return self.field == PATH_PATTERN and bool(self.values)

    def __str__(self) -> str:
        """For messages, e.g. `host-header a.example`; a header's value may be a secret."""
        if self.is_plain_path:
            return ", ".join(self.values)
        if self.header:
            return f"{self.field} {self.header}"
        regexes = [f"regex {regex}" for regex in self.regexes]
        parts = [*self.values, *regexes, *self.unknown]
        return f"{self.field} {', '.join(parts)}".strip()


def read_condition(described: Mapping[str, Any]) -> Condition:
    """
    Read ELBv2's description of a condition.

    There is an older form, with the values in the condition itself, and a newer one.
    """
    field = str(described.get("Field", ""))
    config_name = _CONFIGS.get(field, "")
    config = described.get(config_name) or {}
    values = dict.fromkeys(_texts(described, "Values") + _texts(config, "Values"))
    regexes = dict.fromkeys(_texts(described, "RegexValues") + _texts(config, "RegexValues"))
    return Condition(
        field=field,
        values=tuple(values),
        regexes=tuple(regexes),
        header=config.get("HttpHeaderName"),
        unknown=tuple(_unknown_parts(described, config_name, config)),
    )


def _texts(settings: Mapping[str, Any], name: str) -> list[str]:
    """Values as text; a query string's are pairs of key and value."""
    found: Sequence[Any] = settings.get(name) or ()
    return [value if isinstance(value, str) else _pair(value) for value in found]


def _pair(value: Mapping[str, str]) -> str:
    key = value.get("Key", "")
    text = value.get("Value", "")
    return f"{key}={text}" if key else text


def _unknown_parts(
    described: Mapping[str, Any], config_name: str, config: Mapping[str, Any]
) -> Iterator[str]:
    """The names of everything that this tool does not read."""
    known = {"Field", "Values", "RegexValues", config_name}
    for name, value in described.items():
        if value and name not in known:
            yield name
    for name, value in config.items():
        if value and name not in _SETTINGS:
            yield name
