"""Reads a config file, and says where it is wrong in words that lead to the remedy."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from config.errors import InvalidConfig
from config.fault import fault_lines
from config.split import SplitConfig

__all__ = ["config_schema", "load_config", "parse_config"]


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice: PyYAML keeps the last one without a word."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (key.tag, key.value) in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add((key.tag, key.value))
        return node


def load_config(path: Path) -> SplitConfig:
    """
    Read and validate a YAML config; relative paths in it are relative to its folder.

    Raises:
        InvalidConfig: With one line for every fault, each with path, value and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidConfig(
            f"{path}: there is no such file; give the path of a split.yaml"
        ) from None
    except IsADirectoryError:
        raise InvalidConfig(f"{path}: is a folder; give the path of a split.yaml in it") from None
    except UnicodeDecodeError as error:
        raise InvalidConfig(
            f"{path}: byte {error.start} is not UTF-8 ({error.reason}); save it as UTF-8"
        ) from None
    except OSError as error:
        raise InvalidConfig(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None
    data = _parse_yaml(text, path)
    if not isinstance(data, dict):
        found = "is empty" if data is None else f"holds a {type(data).__name__} instead of keys"
        raise InvalidConfig(
            f"{path}: {found}; write keys such as name, aws, cluster, monolith and services"
        )
    return parse_config(data, base=path.resolve().parent, where=str(path))


def _parse_yaml(text: str, path: Path) -> Any:
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader, stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise InvalidConfig(
            f"{path}{where}: is not YAML as it should be: {error.problem}; mend that line"
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-02-30
        raise InvalidConfig(
            f"{path}: is not YAML: {' '.join(str(error).split())}; mend it"
        ) from None


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
        lines = [f"  {line}" for line in fault_lines(error)]
        raise InvalidConfig("\n".join([f"{where} is not valid:", *lines])) from None


def config_schema() -> dict[str, Any]:
    """JSON Schema of a split.yaml, for editors."""
    schema = SplitConfig.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
