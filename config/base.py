"""What all config models have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["ConfigModel"]


def _number_properties(schema: dict[str, Any]) -> None:
    """Record the order of the fields: PostgreSQL's JSONB forgets it, and the Prefect form sorts by `position`."""
    for position, field in enumerate(schema.get("properties", {}).values()):
        field["position"] = position


class ConfigModel(BaseModel):
    """Frozen, complete, and strict about unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra=_number_properties,
    )
