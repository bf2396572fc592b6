"""
The base of all config models.

Their numbers are `StrictInt` and `StrictFloat`, since pydantic would otherwise read YAML's `yes`
and `on` as 1.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

__all__ = ["ConfigModel", "relative_to_the_config"]


def _number_properties(schema: dict[str, Any]) -> None:
    """
    Record the order of the fields.

    PostgreSQL's JSONB does not keep it, and the Prefect form sorts by `position`.
    """
    properties = schema.get("properties", {})
    for position, field in enumerate(properties.values()):
        field["position"] = position


class ConfigModel(BaseModel):
    """Frozen, complete, and strict about unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        json_schema_extra=_number_properties,
    )

    @model_validator(mode="after")
    def _has_no_faults(self) -> Self:
        found = list(self.faults())
        if found:
            raise ValueError("\n".join(found))
        return self

    def faults(self) -> Iterator[str]:
        """
        What is wrong between fields that are valid by themselves.

        Each is one line: `field: value and why; remedy`.
        """
        yield from ()


def relative_to_the_config(path: Path | None, info: ValidationInfo) -> Path | None:
    """
    Expand `~`, and resolve a relative path from the config file's folder.

    Without a file, e.g. in parameters of a Prefect run, a relative path stays.
    """
    if path is None:
        return None
    context = info.context or {}
    folder = context.get("base", Path())
    return Path(folder, path.expanduser())
