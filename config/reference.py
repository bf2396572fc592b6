"""
Writes the reference of split.yaml: docs/config.md for people, docs/split.schema.json for editors.

    python -m config.reference [--check]
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from config.load import config_schema

__all__ = ["main", "reference_markdown", "reference_pages"]

_DOCS: Final = Path(__file__).parents[1] / "docs"
_INTRODUCTION: Final = """\
# split.yaml

Every key, its type, its default and its meaning. For completion and validation in an editor, begin
the file with `# yaml-language-server: $schema=docs/split.schema.json`.

Keys without a default are required. Relative paths start from the folder of the file. Times are in
seconds.

A minimal file; the rest is discovered from the running monolith, or has a default:

```yaml
{example}```

This page is generated: `python -m config.reference` writes it.
"""
EXAMPLE: Final = """\
name: forum-split
aws: {region: eu-central-1}
cluster: production
monolith: {service: forum}
services:
  - name: users
    path_patterns: [/api/users*]
    build: {context: users}
  - name: posts
    path_patterns: [/api/posts*]
    image: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/posts:1.4
"""
_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}
_PATHS: Final = ("path", "directory-path", "file-path")
_LONGEST_DEFAULT: Final = 40


def main(arguments: list[str] | None = None) -> int:
    """Write both pages; with `--check` only list those out of date. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m config.reference", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a page is out of date"
    )
    check = parser.parse_args(arguments).check
    stale = {path: text for path, text in reference_pages().items() if _is_stale(path, text)}
    for path, text in stale.items():
        if check:
            print(f"{path}: is out of date; run `python -m config.reference`", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


def _is_stale(path: Path, text: str) -> bool:
    """Whether a page has another text."""
    if not path.is_file():
        return True
    return path.read_text("utf-8") != text


def reference_pages() -> dict[Path, str]:
    """The text of each page by its path."""
    schema = json.dumps(config_schema(), indent=2)
    return {
        _DOCS / "config.md": reference_markdown(),
        _DOCS / "split.schema.json": f"{schema}\n",
    }


def reference_markdown() -> str:
    """One table for the file itself and for each mapping in it, in the order of first mention."""
    schema = config_schema()
    introduction = _INTRODUCTION.format(example=EXAMPLE)
    sections = [introduction, f"## The file\n\n{_table(schema)}"]
    for name, definition in _definitions(schema):
        description = definition["description"]
        sections.append(f"## {name}\n\n{description}\n\n{_table(definition)}")
    return "\n".join(sections)


def _definitions(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The mappings in the file, by name: each once, after the first that refers to it."""
    seen: set[str] = set()
    queue = list(_references(schema["properties"]))
    while queue:
        name = queue.pop(0)
        if name not in seen:
            seen.add(name)
            definition = schema["$defs"][name]
            yield name, definition
            queue = [*_references(definition["properties"]), *queue]


def _references(node: Any) -> Iterator[str]:
    """The names of the mappings that a schema refers to, at any depth."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield _referred(node)
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _references(inner)


def _referred(node: dict[str, Any]) -> str:
    """Name of the mapping that a schema refers to."""
    reference: str = node["$ref"]
    _, _, name = reference.rpartition("/")
    return name


def _table(definition: dict[str, Any]) -> str:
    """A mapping's keys, one a row."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    required = definition.get("required", [])
    for name, field in definition["properties"].items():
        default = "" if name in required else _default(field)
        row = _row(f"`{name}`", _type(field), default, _meaning(field))
        rows.append(row)
    return "\n".join([*rows, ""])


def _row(*cells: str) -> str:
    """A row of a table."""
    escaped = [cell.replace("|", "\\|") for cell in cells]
    text = " | ".join(escaped)
    return f"| {text} |"


def _meaning(field: dict[str, Any]) -> str:
    """The field's description; pydantic omits it where it is that of the mapping."""
    described = field
    if "description" not in field:
        mappings = config_schema()["$defs"]
        described = mappings[_referred(field)]
    text: str = described["description"]
    return text.replace("\n", " ")


def _default(field: dict[str, Any]) -> str:
    """A field's default, for people."""
    value = field.get("default")
    if value is None:
        return "empty" if field.get("type") == "object" else "none"
    if value in ({}, [], ""):
        return "empty"
    text = json.dumps(value)
    if isinstance(value, (dict, list)) and len(text) >= _LONGEST_DEFAULT:
        return "see below"
    return f"`{text}`"


def _type(field: dict[str, Any]) -> str:
    """The type of a value, for people."""
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        types = [_type(choice) for choice in choices if choice.get("type") != "null"]
        return " or ".join(types)
    if "$ref" in field:
        name = _referred(field)
        return f"[{name}](#{name.lower()})"
    if "const" in field or "enum" in field:
        values = field.get("enum", [field.get("const")])
        return ", ".join(f"`{value}`" for value in values)
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object":
        return _mapping_type(field)
    return _plain_type(field)


def _mapping_type(field: dict[str, Any]) -> str:
    """The type of a mapping whose keys are free."""
    inner = field.get("additionalProperties")
    if isinstance(inner, dict):
        return f"mapping of names to {_type(inner)}"
    return "mapping"


def _plain_type(field: dict[str, Any]) -> str:
    """The type of a single value."""
    if field.get("format") in _PATHS:
        return "path"
    name = _TYPES.get(field.get("type", ""), "anything")
    return ", ".join([name, *_constraints(field)])


def _constraints(field: dict[str, Any]) -> Iterator[str]:
    """The bounds of a value, and an example."""
    if "minimum" in field:
        yield f"at least {json.dumps(field['minimum'])}"
    if "exclusiveMinimum" in field:
        yield f"above {json.dumps(field['exclusiveMinimum'])}"
    if "maximum" in field:
        yield f"at most {json.dumps(field['maximum'])}"
    if "maxLength" in field:
        yield f"at most {field['maxLength']} characters"
    if field.get("examples"):
        yield f"like `{field['examples'][0]}`"


if __name__ == "__main__":
    sys.exit(main())
