"""Loading: reads and validates a config file."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from config.errors import InvalidConfig
from config.fault import fault_lines
from config.split import SplitConfig

__all__ = ["config_schema", "load_config", "parse_config"]


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML that refuses a duplicate key, where PyYAML would keep the last one silently."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping, as PyYAML does, and refuse its duplicate keys."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            identity = (key.tag, key.value)
            if identity in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"duplicate key {key.value!r}",
                    problem_mark=key.start_mark,
                )
            seen.add(identity)
        return node


def load_config(path: Path) -> SplitConfig:
    """
    Read and validate a YAML config; relative paths in it are relative to its folder.

    Raises:
        InvalidConfig: With one line for every fault, each with path, value and remedy.
    """
    data = _parse_yaml(_read(path), path)
    if not isinstance(data, dict):
        raise InvalidConfig(
            f"{path}: {_kind(data)}; write keys such as name, aws, cluster, monolith and services"
        )
    return parse_config(
        data,
        base=path.resolve().parent,
        where=str(path),
    )


def _kind(data: Any) -> str:
    """What a file is that is not a mapping."""
    if data is None:
        return "is empty"
    return f"is a {type(data).__name__}, not a mapping"


def _read(path: Path) -> str:
    """The text of the file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"{path}: {_why_unreadable(error)}") from None


def _why_unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read, and the remedy."""
    match error:
        case FileNotFoundError():
            return "no such file; give the path of a split.yaml"
        case IsADirectoryError():
            return "is a folder; give the path of a split.yaml in it"
        case UnicodeDecodeError():
            return f"byte {error.start} is not UTF-8 ({error.reason}); save it as UTF-8"
        case _:
            return f"cannot be read ({error.strerror}); check the path and its permissions"


def _parse_yaml(text: str, path: Path) -> Any:
    """The data in the file."""
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader, stricter
    except yaml.MarkedYAMLError as error:
        raise InvalidConfig(f"{path}: {_invalid_yaml(error)}; fix that line") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-02-30
        problem = " ".join(str(error).split())
        raise InvalidConfig(f"{path}: invalid YAML: {problem}; fix that value") from None


def _invalid_yaml(error: yaml.MarkedYAMLError) -> str:
    """
    What PyYAML found, and where.

    Lines and columns count from 1, as editors do.
    """
    mark = error.problem_mark
    problem = error.problem
    if mark is None:
        return f"invalid YAML: {problem}"
    line = mark.line + 1
    column = mark.column + 1
    return f"invalid YAML at line {line}: {problem} (column {column})"


def parse_config(data: dict[str, Any], *, base: Path, where: str = "config") -> SplitConfig:
    """
    Validate config data, e.g. parameters of a Prefect run.

    Args:
        data: The keys of a split.yaml.
        base: Folder that relative paths in it start from.
        where: Name for the source in messages.

    Raises:
        InvalidConfig: As `load_config`.
    """
    try:
        return SplitConfig.model_validate(data, context={"base": base})
    except ValidationError as error:
        lines = [f"{where} is not valid:"]
        lines += [f"  {line}" for line in fault_lines(error)]
        raise InvalidConfig("\n".join(lines)) from None


def config_schema() -> dict[str, Any]:
    """JSON Schema of a split.yaml, for editors."""
    schema = SplitConfig.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
