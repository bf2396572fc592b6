"""One AWS API call, read from its HTTP request."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from werkzeug.wrappers import Request

__all__ = ["INTERNAL_KEY", "Call", "Handler", "read_call"]

INTERNAL_KEY: Final = "sandbox-internal"
"""Access key id of the sandbox's own calls: they are not recorded and meet no faults."""

_CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_SMITHY_RPC: Final = re.compile(r"/service/[^/]+/operation/(\w+)")
"""Path of the protocol that CloudWatch clients use."""
_READING: Final = (
    "BatchCheck",
    "BatchGet",
    "Describe",
    "Filter",
    "Get",
    "Head",
    "List",
    "Lookup",
    "Search",
    "Simulate",
    "Validate",
)
_NAMES: Final = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
}


@dataclass(frozen=True)
class Call:
    """A call: service, action, parameters and caller."""

    service: str
    """boto3's name of it, e.g. `elbv2`."""
    action: str
    parameters: dict[str, Any]
    access_key: str

    @property
    def mutating(self) -> bool:
        """Whether it can change anything."""
        return not self.action.startswith(_READING)

    @property
    def internal(self) -> bool:
        """Whether the sandbox itself makes it."""
        return self.access_key == INTERNAL_KEY


Handler = Callable[[Call], dict[str, Any] | None]
"""Answers a call, refuses it with `AwsError`, or returns None to leave it to others."""


def read_call(request: Request) -> Call:
    """Read the call; the body stays readable for moto."""
    body = request.get_data()
    request.environ["wsgi.input"] = io.BytesIO(body)
    found = _CREDENTIAL.search(request.headers.get("Authorization", ""))
    access_key, _, service = found.groups() if found else ("", "", "")
    action, parameters = _read_action(request, body)
    return Call(_NAMES.get(service, service), action, parameters, access_key)


def _read_action(request: Request, body: bytes) -> tuple[str, dict[str, Any]]:
    target = request.headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2], json.loads(body or b"{}")
    operation = _SMITHY_RPC.search(request.path)
    if operation:
        return operation[1], {}
    if request.mimetype == "application/x-www-form-urlencoded":
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return form.pop("Action", ""), form
    return f"{request.method} {request.path}", {}
