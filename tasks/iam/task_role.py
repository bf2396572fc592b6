"""IAM: each service's own task role, with the configured statements and no others."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from config.service import PolicyStatement, ServiceConfig
from tasks.aws.change import Change, Update, refuse_conflict
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import Owner, tag_dict, tag_list
from tasks.aws.task import aws_task

__all__ = [
    "TaskRole",
    "compare_task_role",
    "delete_task_role",
    "desired_task_role",
    "ensure_task_role",
    "read_task_role",
]

_VERSION: Final = "2012-10-17"
_POLICY: Final = "service"
_TRUST: Final = {
    "Version": _VERSION,
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@dataclass(frozen=True)
class TaskRole:
    """The desired role, which a service's containers act with."""

    name: str
    policy: dict[str, Any] | None
    owner: Owner

    @property
    def fields(self) -> dict[str, Any]:
        """The desired settings, as IAM names them."""
        return {
            "AssumeRolePolicyDocument": _TRUST,
            "PolicyDocument": self.policy,
            "Tags": self.owner.tags,
        }


def desired_task_role(service: ServiceConfig, owner: Owner) -> TaskRole:
    """A role that ECS tasks may assume, with the configured statements."""
    statements = [_statement(configured) for configured in service.task_role_policy]
    policy = {"Version": _VERSION, "Statement": statements}
    return TaskRole(
        name=service.task_role,
        policy=policy if statements else None,
        owner=owner,
    )


def _statement(configured: PolicyStatement) -> dict[str, Any]:
    """A statement as IAM takes it."""
    return {
        "Effect": configured.effect,
        "Action": list(configured.actions),
        "Resource": list(configured.resources),
    }


def read_task_role(aws: AwsConfig, name: str) -> dict[str, Any] | None:
    """
    Describe the role: its fields, and its `Arn`; None when it does not exist.

    Source: IAM GetRole, GetRolePolicy.
    """
    iam = client(aws, "iam")
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None
    return {
        "AssumeRolePolicyDocument": role["AssumeRolePolicyDocument"],
        "PolicyDocument": _read_policy(aws, name),
        "Tags": tag_dict(role.get("Tags", [])),
        "Arn": role["Arn"],
    }


def _read_policy(aws: AwsConfig, name: str) -> Any:
    """The role's own policy; None when it has none."""
    iam = client(aws, "iam")
    try:
        return iam.get_role_policy(RoleName=name, PolicyName=_POLICY)["PolicyDocument"]
    except iam.exceptions.NoSuchEntityException:
        return None


def compare_task_role(desired: TaskRole, observed: dict[str, Any] | None) -> Change:
    """What has to happen to the role."""
    return desired.owner.compare("IAM role", desired.name, desired.fields, observed)


@aws_task("ensure task role {desired.name}")
def ensure_task_role(aws: AwsConfig, desired: TaskRole) -> str:
    """
    Create the role with its policy, or update the existing one.

    Returns:
        The role ARN.

    Source: IAM CreateRole, PutRolePolicy, DeleteRolePolicy, UpdateAssumeRolePolicy, TagRole.
    """
    observed = read_task_role(aws, desired.name)
    change = compare_task_role(desired, observed)
    refuse_conflict(change)
    if observed is None:
        return _create(aws, desired)
    if isinstance(change, Update):
        _update(aws, desired, change.fields)
        if "Tags" in change.fields:
            _tag(aws, desired, observed)
    return str(observed["Arn"])


def _create(aws: AwsConfig, desired: TaskRole) -> str:
    """Create the role, and return its ARN."""
    made = client(aws, "iam").create_role(
        RoleName=desired.name,
        AssumeRolePolicyDocument=json.dumps(_TRUST),
        Description=f"What the ECS tasks of service {desired.owner.service} may do",
        Tags=tag_list(desired.owner.tags),
    )
    if desired.policy:
        _write_policy(aws, desired)
    return made["Role"]["Arn"]


def _update(aws: AwsConfig, desired: TaskRole, changed: Collection[str]) -> None:
    """Update the fields that differ, except for the tags."""
    if "AssumeRolePolicyDocument" in changed:
        _write_trust(aws, desired.name)
    if "PolicyDocument" in changed:
        _write_policy(aws, desired)


def _write_trust(aws: AwsConfig, name: str) -> None:
    """Let ECS tasks assume the role, and nobody else."""
    client(aws, "iam").update_assume_role_policy(
        RoleName=name,
        PolicyDocument=json.dumps(_TRUST),
    )


def _tag(aws: AwsConfig, desired: TaskRole, observed: dict[str, Any]) -> None:
    """Put the owner's tags on an existing role."""
    tags = desired.owner.tags_over(observed["Tags"])
    client(aws, "iam").tag_role(RoleName=desired.name, Tags=tag_list(tags))


def _write_policy(aws: AwsConfig, desired: TaskRole) -> None:
    """
    Write the role's own policy.

    Without statements it is deleted: IAM has no empty policies.
    """
    iam = client(aws, "iam")
    name = desired.name
    if desired.policy:
        document = json.dumps(desired.policy)
        iam.put_role_policy(RoleName=name, PolicyName=_POLICY, PolicyDocument=document)
    else:
        iam.delete_role_policy(RoleName=name, PolicyName=_POLICY)


@aws_task("delete task role {name}")
def delete_task_role(aws: AwsConfig, name: str, owner: Owner) -> None:
    """
    Delete the role if this split made it; IAM requires that its policies are removed first.

    Source: IAM ListRolePolicies, DeleteRolePolicy, ListAttachedRolePolicies, DetachRolePolicy,
        DeleteRole.
    """
    iam = client(aws, "iam")
    observed = read_task_role(aws, name)
    if observed is None or not owner.made(observed["Tags"]):
        return
    try:
        _delete_policies(aws, name)
        _detach_policies(aws, name)
        iam.delete_role(RoleName=name)
    except iam.exceptions.NoSuchEntityException:
        log().info("IAM role %s was already deleted", name)


def _delete_policies(aws: AwsConfig, name: str) -> None:
    """Delete the role's own policies."""
    iam = client(aws, "iam")
    pages = iam.get_paginator("list_role_policies").paginate(RoleName=name)
    for policy in pages.build_full_result()["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)


def _detach_policies(aws: AwsConfig, name: str) -> None:
    """Detach managed policies, which somebody has attached."""
    iam = client(aws, "iam")
    pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
    for policy in pages.build_full_result()["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
