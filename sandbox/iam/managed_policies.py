"""AWS's own managed policies, given to moto when a call names one."""

import json
from typing import Any, Final

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends

from sandbox.api.call import Call
from sandbox.api.internal import ACCOUNT, REGION

__all__ = ["load_managed_policy"]

_PREFIX: Final = "arn:aws:iam::aws:policy/"


def load_managed_policy(call: Call) -> None:
    """
    Give moto the managed policy that the call names, if AWS has one of that ARN.

    moto can load all of them at its start, which takes most of a second; a split needs one or two.
    """
    arn = str(call.parameters.get("PolicyArn", ""))
    policies = iam_backends[ACCOUNT]["aws"].managed_policies
    if not arn.startswith(_PREFIX) or arn in policies:
        return
    name = arn.rpartition("/")[2]
    data = _read_data(name)
    if data is None:
        return
    policy = AWSManagedPolicy.from_data(name, ACCOUNT, REGION, data)
    if policy.arn == arn:
        policies[arn] = policy


def _read_data(name: str) -> dict[str, Any] | None:
    """A policy's entry in the JSON document that moto ships, without parsing all of it."""
    start = aws_managed_policies_data.find(f'\n "{name}":{{')
    if start < 0:
        return None
    begin = aws_managed_policies_data.index("{", start)
    data: dict[str, Any]
    data, _ = json.JSONDecoder().raw_decode(aws_managed_policies_data, begin)
    return data
