"""IAM: names out of range and trust policies that AWS refuses."""

import json
from typing import Any, Final

from sandbox.api.call import Call
from sandbox.api.errors import AwsError
from sandbox.api.request import check_limits, read_parameters

__all__ = ["refuse"]

_PRINCIPAL_TYPES: Final = ("AWS", "CanonicalUser", "Federated", "Service")
_TRUST: Final = {
    "CreateRole": "AssumeRolePolicyDocument",
    "UpdateAssumeRolePolicy": "PolicyDocument",
}
_VERSIONS: Final = ("2008-10-17", "2012-10-17")
_SYNTAX: Final = "Syntax errors in policy."


def refuse(call: Call) -> None:
    """
    Refuse names out of range and trust policies that are not valid.

    Source: IAM CreateRole, UpdateAssumeRolePolicy.
    """
    parameters = read_parameters(call)
    check_limits(call, parameters, "ValidationError")
    if call.action in _TRUST:
        _check_trust_policy(parameters.get(_TRUST[call.action], ""))


def _check_trust_policy(document: str) -> None:
    try:
        policy = json.loads(document)
    except ValueError:
        raise _malformed("This policy contains invalid Json") from None
    if not isinstance(policy, dict) or policy.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise _malformed(_SYNTAX)
    statements = policy.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not statements or not isinstance(statements, list):
        raise _malformed(_SYNTAX)
    for statement in statements:
        reason = _statement_reason(statement) if isinstance(statement, dict) else _SYNTAX
        if reason:
            raise _malformed(reason)


def _malformed(reason: str) -> AwsError:
    return AwsError("MalformedPolicyDocument", reason)


def _statement_reason(statement: dict[str, Any]) -> str | None:
    if statement.get("Effect") not in ("Allow", "Deny"):
        return "Missing required field Effect"
    if not statement.get("Action") and not statement.get("NotAction"):
        return "Missing required field Action"
    if not statement.get("Principal") and not statement.get("NotPrincipal"):
        return "Missing required field Principal"
    if "Resource" in statement or "NotResource" in statement:
        return "Has prohibited field Resource"
    actions = _as_list(statement.get("Action", []))
    if not all(str(action).lower().startswith("sts:") for action in actions):
        return "AssumeRole policy may only specify STS AssumeRole actions."
    return _principal_reason(statement.get("Principal", "*"))


def _as_list(value: Any) -> list[Any]:
    """A policy may write a list of one item as the item."""
    return [value] if isinstance(value, str) else value


def _principal_reason(principal: Any) -> str | None:
    if principal == "*":
        return None
    if not isinstance(principal, dict):
        return _SYNTAX
    for kind, names in principal.items():
        for name in _as_list(names):
            is_service = name.endswith((".amazonaws.com", ".amazonaws.com.cn"))
            if kind not in _PRINCIPAL_TYPES or (kind == "Service" and not is_service):
                return f'Invalid principal in policy: "{kind.upper()}":"{name}"'
    return None
