"""The tool's own requests to a service: what is sent, and what the responses must be."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import jsonschema
from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    StrictFloat,
    StrictInt,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from config.base import ConfigModel, relative_to_the_config

__all__ = ["Check", "HeaderValue", "Parity", "RequestHeaders", "header_faults"]

_OWN_HEADERS: Final = {
    "connection": "the tool keeps its connections itself",
    "content-length": "no request has a body",
    "host": "set listener.url to the URL with that host",
    "transfer-encoding": "no request has a body",
    "x-split-preview": "the preview and control rules match it",
}


class HeaderValue(ConfigModel):
    """
    The value of a request header, or where it is read from when it is sent: a secret value is in no
    log, plan or record. A plain text means `value`.
    """

    value: str | None = None
    """The value itself, if it is not secret."""
    env: (
        Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", examples=["SHOP_TOKEN"])] | None
    ) = None
    """Environment variable of the process that sends the requests."""
    secret: Annotated[str, Field(min_length=1, examples=["ecs-splitter/shop"])] | None = None
    """Name or ARN of a secret in Secrets Manager."""
    key: str | None = None
    """Key of the secret's JSON; without it, the whole secret."""
    parameter: Annotated[str, Field(min_length=1, examples=["/ecs-splitter/shop"])] | None = None
    """Name or ARN of a parameter in SSM Parameter Store."""
    prefix: str = ""
    """Text before the value, e.g. `Bearer ` with its space."""

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, data: Any) -> Any:
        """Read a plain text as a value."""
        if isinstance(data, str):
            return {"value": data}
        if not isinstance(data, dict | HeaderValue):
            raise ValueError(": is neither text nor a reference; write text, or e.g. {env: NAME}")  # noqa: TRY004 - pydantic expects a ValueError
        return data

    def faults(self) -> Iterator[str]:
        """No source, or several; a key without a secret; characters that no header has."""
        sources = [self.value, self.env, self.secret, self.parameter]
        given = sum(source is not None for source in sources)
        if given != 1:
            yield f"value / env / secret / parameter: {given} are given; give exactly one of them"
        if self.key is not None and self.secret is None:
            yield "key: is for a secret only; leave it out"
        # Without the text itself, which may be meant to be secret.
        for name, text in (("value", self.value), ("prefix", self.prefix)):
            if text and not (text.isascii() and text.isprintable()):
                yield f"{name}: has characters that a header cannot have; use printable ASCII text"

    def __str__(self) -> str:
        """For messages: `environment variable SHOP_TOKEN`."""
        if self.env is not None:
            return f"environment variable {self.env}"
        if self.secret is not None:
            return f"secret {self.secret}"
        if self.parameter is not None:
            return f"parameter {self.parameter}"
        return "a literal value"


class _OrText:
    """Adds plain text to the JSON Schema of a value."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(core_schema), {"type": "string"}]}


RequestHeaders = dict[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")],
    Annotated[HeaderValue, _OrText()],
]


def header_faults(headers: Mapping[str, HeaderValue]) -> Iterator[str]:
    """Headers that the tool sets itself, or that no request has."""
    for name in headers:
        reason = _OWN_HEADERS.get(name.lower())
        if reason:
            yield f"request_headers.{name}: cannot be set: {reason}; leave it out"


class Check(ConfigModel):
    """One request and its expected response, checked before any user is sent to the service."""

    path: Annotated[str, Field(pattern=r"^/", examples=["/api/users/1"])]
    """Path with query string, e.g. `/api/users/1`."""
    method: Literal["GET", "HEAD"] = "GET"
    """Method of the request; others could change something."""
    request_headers: RequestHeaders = Field(default_factory=dict)
    """Headers of the request, beside the service's `request_headers`, which has their form."""
    status: Annotated[StrictInt, Field(ge=100, le=599)] = 200
    """Expected HTTP status."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that the response must have, with these values."""
    json_subset: Any = None
    """JSON that the body must contain: objects by key, lists item by item."""
    json_schema: dict[str, Any] | None = None
    """JSON Schema that the body must match."""
    max_latency: Annotated[StrictFloat, Field(gt=0, le=60)] | None = None
    """Seconds within which the response must be complete."""

    def with_request_headers(self, headers: Mapping[str, HeaderValue]) -> Self:
        """The same check with further request headers; its own win."""
        merged = {**headers, **self.request_headers}
        return self.model_copy(update={"request_headers": merged})

    def faults(self) -> Iterator[str]:
        """A JSON Schema that is not valid, a header that cannot be set, a body of a HEAD."""
        yield from header_faults(self.request_headers)
        if self.method == "HEAD" and (self.json_subset is not None or self.json_schema is not None):
            yield "method: HEAD has no body to check; use GET, or leave the body's check out"
        schema = self.json_schema
        if schema is not None:
            try:
                jsonschema.validators.validator_for(schema).check_schema(schema)
            except jsonschema.SchemaError as error:
                yield f"json_schema: {error.json_path} is not valid ({error.message}); fix it"


class Parity(ConfigModel):
    """Requests that are sent to monolith and service, whose responses must be equal."""

    paths: tuple[Annotated[str, Field(pattern=r"^/", examples=["/api/users/1"])], ...] = ()
    """Paths to compare."""
    paths_file: Annotated[Path | None, AfterValidator(relative_to_the_config)] = None
    """
    A file with one path a line, e.g. from an access log; those that the service takes over are
    compared.
    """
    sample: Annotated[StrictInt, Field(ge=1, le=1000)] = 50
    """How many different paths of the file are compared at most, evenly spread over it."""
    method: Literal["GET", "HEAD"] = "GET"
    """Method of the requests; others could change something."""
    request_headers: RequestHeaders = Field(default_factory=dict)
    """Headers of the requests, beside the service's `request_headers`, which has their form."""
    ignore_headers: tuple[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", examples=["Cache-Control"])], ...
    ] = ()
    """
    Response headers that may differ. Compared are Content-Type, Cache-Control, Location, the names
    of cookies, and those of CORS.
    """
    ignore: tuple[Annotated[str, Field(pattern=r"^/", examples=["/generated_at"])], ...] = ()
    """
    JSON pointers (`*` for any item) of fields that may differ, e.g. `/generated_at` or `/*/id`.
    """
    unordered: bool = False
    """Whether the order of lists may differ."""
    allow_differences: bool = False
    """Report differences, but continue."""

    def faults(self) -> Iterator[str]:
        """A header that cannot be set."""
        yield from header_faults(self.request_headers)
