"""Reads a config file, and says where it is wrong in words that lead to the remedy."""

import difflib
import json
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import InvalidConfig
from config.split import SplitConfig

__all__ = ["config_schema", "load_config", "parse_config"]

# Discriminated unions put the chosen tag into the location; a path in the file does not have it.
_TAGS: Final = {"all_at_once", "linear", "canary", "steps", "keep", "forward", "fixed_response"}
_REMEDIES: Final = {
    "missing": "add it",
    "string_type": "write it as text, in quotes if need be",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "tuple_type": "write a list",
    "model_type": "write a mapping of keys",
    "dict_type": "write a mapping of keys",
    "literal_error": "choose one of them",
    "string_pattern_mismatch": "write it in that form",
}


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice: PyYAML keeps the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_config(path: Path) -> SplitConfig:
    """
    Read and validate a YAML config; relative paths in it are relative to its folder.

    Raises:
        InvalidConfig: With one line for every fault, each with path, value and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidConfig(f"{path}: there is no such file; give the path of a split.yaml") from None
    except IsADirectoryError:
        raise InvalidConfig(f"{path}: is a folder; give the path of a split.yaml in it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"{path}: cannot be read ({error}); check its permissions and encoding (UTF-8)") from None
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader, stricter
    except yaml.YAMLError as error:
        raise InvalidConfig(f"{path}: is not YAML: {' '.join(str(error).split())}; mend that line") from None
    if not isinstance(data, dict):
        raise InvalidConfig(f"{path}: holds {_shown(data)} instead of keys such as name, aws, monolith, services")
    return parse_config(data, base=path.resolve().parent, where=str(path))


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
        # A list with a faulty item counts as empty afterwards: that second finding would only puzzle.
        findings = [detail for detail in error.errors() if detail["type"] != "too_short" or not detail["input"]]
        lines = [f"  {_describe(detail)}" for detail in findings]
        raise InvalidConfig("\n".join([f"{where} is not valid:", *lines])) from None


def config_schema() -> dict[str, Any]:
    """JSON Schema of a split.yaml, for editors."""
    schema = SplitConfig.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _describe(detail: ErrorDetails) -> str:
    """`services[1].health_check.timeout: 10 is not shorter than interval 6; lower the timeout`."""
    location = _location(detail["loc"])
    kind, value = detail["type"], _shown(detail["input"])
    if kind == "value_error":
        # Our validators begin with the part of the path that pydantic does not know.
        message = str(detail["ctx"]["error"])
        joint = "." if location and message[0] not in "[:" else ""
        return f"{location}{joint}{message}"
    if kind == "extra_forbidden":
        return f"{location}: unknown key (with {value}); {_nearest(detail['loc'])}"
    if kind == "missing":
        return f"{location}: is missing; add it"
    if kind == "too_short":
        return f"{location}: {value} is empty; give at least one"
    if kind == "union_tag_invalid":
        return f"{location}: {value} is none of {detail['ctx']['expected_tags']}; choose one of them"
    wanted = detail["msg"].partition("should ")[2] or detail["msg"]
    return f"{location}: {value} should {wanted}; {_REMEDIES.get(kind, 'change it')}"


def _location(parts: tuple[int | str, ...]) -> str:
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in _TAGS:
            text += f".{part}" if text else part
    return text


def _nearest(parts: tuple[int | str, ...]) -> str:
    """Name the key that was probably meant, from the model that the unknown key stands in."""
    known = sorted(_fields_at(SplitConfig, [part for part in parts[:-1] if isinstance(part, str)]))
    close = difflib.get_close_matches(str(parts[-1]), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def _fields_at(model: type[BaseModel], path: list[str]) -> set[str]:
    models = [model]
    for name in path:
        if name in _TAGS:
            models = [found for found in models if any(_is_tag(field, name) for field in found.model_fields.values())]
        else:
            annotations = [found.model_fields[name].annotation for found in models if name in found.model_fields]
            models = [inner for annotation in annotations for inner in _models_in(annotation)]
    return {name for found in models for name in found.model_fields}


def _is_tag(field: Any, tag: str) -> bool:
    return tag in getattr(field.annotation, "__args__", ())


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
