"""IAM: trust policies, and AWS's own managed policies."""

import json
from typing import Any, Final

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends

from sandbox.api.call import Call
from sandbox.api.internal import ACCOUNT, REGION
from sandbox.api.request import check_limits, read_parameters
from sandbox.api.server import AwsError

__all__ = ["load_managed_policy", "refuse"]

_MANAGED: Final = "arn:aws:iam::aws:policy/"
_PRINCIPAL_TYPES: Final = ("AWS", "CanonicalUser", "Federated", "Service")
_TRUST: Final = {
    "CreateRole": "AssumeRolePolicyDocument",
    "UpdateAssumeRolePolicy": "PolicyDocument",
}


def refuse(call: Call) -> None:
    """
    Refuse a name out of bounds, and a trust policy that is none. Source: CreateRole,
    UpdateAssumeRolePolicy.
    """
    parameters = read_parameters(call)
    check_limits(call, parameters, "ValidationError")
    if call.action in _TRUST:
        _check_trust_policy(parameters.get(_TRUST[call.action], ""))


def _check_trust_policy(document: str) -> None:
    try:
        policy = json.loads(document)
    except ValueError:
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json") from None
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    version = policy.get("Version", "2008-10-17") if isinstance(policy, dict) else None
    if (
        not statements
        or not isinstance(statements, list)
        or version not in ("2008-10-17", "2012-10-17")
    ):
        raise AwsError("MalformedPolicyDocument", "Syntax errors in policy.")
    for statement in statements:
        if reason := _statement_reason(statement):
            raise AwsError("MalformedPolicyDocument", reason)


def _statement_reason(statement: Any) -> str | None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        return (
            "Missing required field Effect"
            if isinstance(statement, dict)
            else "Syntax errors in policy."
        )
    if not statement.get("Action") and not statement.get("NotAction"):
        return "Missing required field Action"
    if not statement.get("Principal") and not statement.get("NotPrincipal"):
        return "Missing required field Principal"
    if "Resource" in statement or "NotResource" in statement:
        return "Has prohibited field Resource"
    actions = statement.get("Action", [])
    if not all(
        str(one).lower().startswith("sts:")
        for one in ([actions] if isinstance(actions, str) else actions)
    ):
        return "AssumeRole policy may only specify STS AssumeRole actions."
    return _principal_reason(statement.get("Principal", "*"))


def _principal_reason(principal: Any) -> str | None:
    if principal == "*":
        return None
    if not isinstance(principal, dict):
        return "Syntax errors in policy."
    for kind, names in principal.items():
        for name in [names] if isinstance(names, str) else names:
            is_service = name.endswith((".amazonaws.com", ".amazonaws.com.cn"))
            if kind not in _PRINCIPAL_TYPES or (kind == "Service" and not is_service):
                return f'Invalid principal in policy: "{kind.upper()}":"{name}"'
    return None


def load_managed_policy(call: Call) -> None:
    """
    Give moto the managed policy that the call names, if AWS has one of that ARN.

    moto can load all of them at its start, which takes most of a second; a split needs one or two.
    """
    arn = str(call.parameters.get("PolicyArn", ""))
    policies = iam_backends[ACCOUNT]["aws"].managed_policies
    if not arn.startswith(_MANAGED) or arn in policies:
        return
    name = arn.rpartition("/")[2]
    start = aws_managed_policies_data.find(f'\n "{name}":{{')
    if start < 0:
        return
    data, _ = json.JSONDecoder().raw_decode(
        aws_managed_policies_data, aws_managed_policies_data.index("{", start)
    )
    policy = AWSManagedPolicy.from_data(name, ACCOUNT, REGION, data)
    if policy.arn == arn:
        policies[arn] = policy
