"""The execution role: ECS pulls images and writes logs with it."""

from typing import Any

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.discovery import Discovered
from tasks.preflight.finding import Finding

__all__ = ["check_execution_role", "read_trust_policy"]

_SERVICE = "ecs-tasks.amazonaws.com"


def read_trust_policy(aws: AwsConfig, role_arn: str) -> dict[str, Any] | None:
    """
    Who may assume the role; None when there is no such role.

    Source: IAM GetRole.
    """
    iam = client(aws, "iam")
    try:
        role: Any = iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None
    return dict(role["AssumeRolePolicyDocument"])


def check_execution_role(discovered: Discovered, trust: dict[str, Any] | None) -> list[Finding]:
    """Whether the role is there, is this account's, and may be assumed by ECS."""
    arn = discovered.execution_role_arn
    account = arn.split(":")[4]
    if account != discovered.account_id:
        return [
            Finding(
                f"execution_role_arn: {arn} belongs to account {account}, and ECS takes a role "
                "of its own account "
                f"({discovered.account_id}) only; name one"
            )
        ]
    if trust is None:
        return [
            Finding(
                f"execution_role_arn: {arn} does not exist; create it with policy "
                "AmazonECSTaskExecutionRolePolicy, "
                "or name another"
            )
        ]
    if not any(_lets_ecs(statement) for statement in _listed(trust.get("Statement", []))):
        return [
            Finding(
                f"execution_role_arn: {arn} cannot be assumed by ECS; allow {_SERVICE} "
                "sts:AssumeRole in its "
                "trust policy"
            )
        ]
    return []


def _lets_ecs(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    services = _listed(principal.get("Service", [])) if isinstance(principal, dict) else [principal]
    allowed = {"sts:AssumeRole", "sts:*", "*"} & set(_listed(statement.get("Action", [])))
    return (
        statement.get("Effect") == "Allow"
        and bool(allowed)
        and bool({_SERVICE, "*"} & set(services))
    )


def _listed(value: Any) -> list[Any]:
    """IAM lets a list of one be written without the brackets."""
    return value if isinstance(value, list) else [value]
