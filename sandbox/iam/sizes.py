"""IAM: policies over AWS's size limits, and too many of them."""

import json
from typing import Any, Final

from sandbox.api.call import Call
from sandbox.api.errors import AwsError
from sandbox.api.internal import internal_client
from sandbox.api.request import read_parameters

__all__ = ["refuse"]

_INLINE: Final = 10_240
"""Characters without white space of all inline policies of a role together."""
_TRUST: Final = 2048
_ATTACHED: Final = 10
_TRUST_POLICIES: Final = {
    "CreateRole": "AssumeRolePolicyDocument",
    "UpdateAssumeRolePolicy": "PolicyDocument",
}


def refuse(endpoint_url: str, call: Call) -> None:
    """
    Refuse what is over a quota.

    Source: IAM user guide, "IAM and AWS STS quotas": white space does not count.
    """
    parameters = read_parameters(call)
    if call.action in _TRUST_POLICIES:
        if _size(parameters.get(_TRUST_POLICIES[call.action], "")) > _TRUST:
            raise _exceeded(f"Cannot exceed quota for ACLSizePerRole: {_TRUST}")
    elif call.action == "PutRolePolicy":
        _check_inline(endpoint_url, parameters)
    elif call.action == "AttachRolePolicy":
        _check_attached(endpoint_url, parameters)


def _check_inline(endpoint_url: str, parameters: dict[str, Any]) -> None:
    iam = internal_client(endpoint_url, "iam")
    role = parameters["RoleName"]
    try:
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    except iam.exceptions.NoSuchEntityException:
        return
    size = _size(parameters["PolicyDocument"])
    for name in set(names) - {parameters["PolicyName"]}:
        found = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        size += _size(json.dumps(found))
    if size > _INLINE:
        raise _exceeded(f"Maximum policy size of {_INLINE} bytes exceeded for role {role}")


def _check_attached(endpoint_url: str, parameters: dict[str, Any]) -> None:
    iam = internal_client(endpoint_url, "iam")
    try:
        found = iam.list_attached_role_policies(RoleName=parameters["RoleName"])
    except iam.exceptions.NoSuchEntityException:
        return
    arns = {one["PolicyArn"] for one in found["AttachedPolicies"]}
    if len(arns | {parameters["PolicyArn"]}) > _ATTACHED:
        raise _exceeded(f"Cannot exceed quota for PoliciesPerRole: {_ATTACHED}")


def _size(document: str) -> int:
    return len("".join(document.split()))


def _exceeded(reason: str) -> AwsError:
    return AwsError("LimitExceeded", reason, 409)
