"""
Writes the reference of split.yaml from the models: docs/config.md for people,
docs/split.schema.json for editors.

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

Every key, its form, its default and what it means. `docs/split.schema.json` says the same to
editors: begin the file with `# yaml-language-server: $schema=docs/split.schema.json`, and they
complete keys and mark faults.

Keys without a default are required. Relative paths start from the folder of the file. Times are in
seconds.

The least that works is this; the rest is read from the running monolith, or has a default:

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
_WORDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}


def main(arguments: list[str] | None = None) -> int:
    """Write both pages; with `--check` only say which are out of date. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m config.reference", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a page is out of date"
    )
    check = parser.parse_args(arguments).check
    stale = [
        path
        for path, text in reference_pages().items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]
    for path in stale:
        if check:
            print(f"{path}: is out of date; run `python -m config.reference`", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(reference_pages()[path], encoding="utf-8")
    return 1 if check and stale else 0


def reference_pages() -> dict[Path, str]:
    """The text of each page by its path."""
    return {
        _DOCS / "config.md": reference_markdown(),
        _DOCS / "split.schema.json": json.dumps(config_schema(), indent=2) + "\n",
    }


def reference_markdown() -> str:
    """
    One table for the file itself and for every mapping in it, in the order in
    which they are met.
    """
    schema = config_schema()
    sections = [_INTRODUCTION.format(example=EXAMPLE), "## The file\n\n" + _table(schema)]
    sections += [
        f"## {name}\n\n{definition['description']}\n\n{_table(definition)}"
        for name, definition in _definitions(schema)
    ]
    return "\n".join(sections)


def _definitions(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    The mappings that the file may hold, by name: each once, after the one that
    first refers to it.
    """
    seen: set[str] = set()
    queue = _references(schema["properties"])
    while queue:
        name = queue.pop(0)
        if name not in seen:
            seen.add(name)
            yield name, schema["$defs"][name]
            queue = _references(schema["$defs"][name]["properties"]) + queue


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rpartition("/")[2]] if "$ref" in node else []
    return own + [name for inner in node.values() for name in _references(inner)]


def _table(definition: dict[str, Any]) -> str:
    rows = ["| key | form | default | meaning |", "|---|---|---|---|"]
    required = definition.get("required", [])
    for name, field in definition["properties"].items():
        default = "" if name in required else _default(field)
        cells = [f"`{name}`", _form(field), default, _meaning(field)]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _meaning(field: dict[str, Any]) -> str:
    """
    The field's own words; pydantic leaves them out where they are those of the mapping it refers
    to.
    """
    text: str = (
        field.get("description")
        or config_schema()["$defs"][field["$ref"].rpartition("/")[2]]["description"]
    )
    return text.replace("\n", " ")


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value is None:
        return "empty" if field.get("type") == "object" else "none"
    if value in ({}, [], ""):
        return "empty"
    return (
        f"`{json.dumps(value)}`"
        if not isinstance(value, (dict, list)) or len(json.dumps(value)) < 40
        else "see there"
    )


def _form(field: dict[str, Any]) -> str:
    """The form of a value in words."""
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        return " or ".join(_form(choice) for choice in choices if choice.get("type") != "null")
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in field or "enum" in field:
        values = field.get("enum", [field.get("const")])
        return ", ".join(f"`{value}`" for value in values)
    match field.get("type"):
        case "array":
            return f"list of {_form(field['items'])}"
        case "object":
            inner = field.get("additionalProperties")
            return f"mapping of names to {_form(inner)}" if isinstance(inner, dict) else "mapping"
        case kind:
            return _plain_form(_WORDS.get(str(kind), "anything"), field)


def _plain_form(word: str, field: dict[str, Any]) -> str:
    if str(field.get("format")).endswith("path"):
        return "path"
    bounds = [
        ("at least", field.get("minimum")),
        ("above", field.get("exclusiveMinimum")),
        ("at most", field.get("maximum")),
    ]
    parts = [f"{name} {json.dumps(value)}" for name, value in bounds if value is not None]
    if "maxLength" in field:
        parts.append(f"at most {field['maxLength']} characters")
    examples = field.get("examples")
    if examples:
        parts.append(f"like `{examples[0]}`")
    return ", ".join([word, *parts])


if __name__ == "__main__":
    sys.exit(main())
