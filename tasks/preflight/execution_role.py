"""The execution role, with which ECS pulls images and writes logs."""

from typing import Any

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.discovery import Discovered
from tasks.preflight.finding import Finding

__all__ = ["check_execution_role", "read_trust_policy"]

_ECS = "ecs-tasks.amazonaws.com"
_EVERYBODY_WITH_ECS = frozenset({_ECS, "*"})
_ASSUME = frozenset({"sts:AssumeRole", "sts:*", "*"})


def read_trust_policy(aws: AwsConfig, role_arn: str) -> dict[str, Any] | None:
    """
    Read which principals may assume the role; None when it does not exist.

    Source: IAM GetRole.
    """
    iam = client(aws, "iam")
    try:
        role: Any = iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None
    return dict(role["AssumeRolePolicyDocument"])


def check_execution_role(discovered: Discovered, trust: dict[str, Any] | None) -> list[Finding]:
    """Check that the role exists, is in the right account, and may be assumed by ECS."""
    fault = _fault(discovered, trust)
    if fault is None:
        return []
    return [Finding(f"execution_role_arn: {discovered.execution_role_arn} {fault}")]


def _fault(discovered: Discovered, trust: dict[str, Any] | None) -> str | None:
    """What is wrong with the role, and the remedy."""
    account = discovered.execution_role_arn.split(":")[4]
    if account != discovered.account_id:
        return (
            f"belongs to account {account}, and ECS takes a role of its own account "
            f"({discovered.account_id}) only; name one"
        )
    if trust is None:
        return (
            "does not exist; create it with policy AmazonECSTaskExecutionRolePolicy, or name "
            "another"
        )
    statements = _listed(trust.get("Statement", []))
    if not any(map(_lets_ecs_assume, statements)):
        return f"cannot be assumed by ECS; allow {_ECS} sts:AssumeRole in its trust policy"
    return None


def _lets_ecs_assume(statement: dict[str, Any]) -> bool:
    """Whether a statement of a trust policy is enough for ECS."""
    if statement.get("Effect") != "Allow":
        return False
    actions = _listed(statement.get("Action", []))
    if _ASSUME.isdisjoint(actions):
        return False
    return not _EVERYBODY_WITH_ECS.isdisjoint(_services(statement))


def _services(statement: dict[str, Any]) -> list[Any]:
    """The AWS services that a statement is about."""
    principal = statement.get("Principal", {})
    if isinstance(principal, dict):
        return _listed(principal.get("Service", []))
    return [principal]


def _listed(value: Any) -> list[Any]:
    """IAM accepts a list of one without its brackets."""
    return value if isinstance(value, list) else [value]
