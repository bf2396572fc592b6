"""One AWS API call, read from its HTTP request."""

import io
import json
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

__all__ = ["INTERNAL_KEY", "Call", "read_call"]

INTERNAL_KEY: Final = "sandbox-internal"
"""Access key id of the sandbox's own calls: they are not recorded and meet no faults."""

_CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
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
    """Who calls which action with what."""

    service: str
    action: str
    parameters: dict[str, Any]
    access_key: str

    @property
    def mutating(self) -> bool:
        """Whether it can change anything."""
        return not self.action.startswith(_READING)

    @property
    def internal(self) -> bool:
        """Whether the sandbox itself calls."""
        return self.access_key == INTERNAL_KEY


def read_call(environ: dict[str, Any]) -> Call:
    """Read the call, and put the body back for whoever reads it next."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    access_key, _, service = found.groups() if found else ("", "", "")
    action, parameters = _read_action(environ, body)
    return Call(_NAMES.get(service, service), action, parameters, access_key)


def _read_action(environ: dict[str, Any], body: bytes) -> tuple[str, dict[str, Any]]:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return target.rpartition(".")[2], json.loads(body or b"{}")
    operation = re.search(r"/service/[^/]+/operation/(\w+)", environ.get("PATH_INFO", ""))
    if operation:  # Smithy RPC, which CloudWatch clients speak
        return operation[1], {}
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return form.pop("Action", ""), form
    return f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}", {}
