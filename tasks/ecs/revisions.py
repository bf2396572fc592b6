"""Old revisions of a task definition: which are unused, and their deletion."""

from collections.abc import Collection, Sequence
from typing import Any, Final, Literal

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.parts import parts
from tasks.aws.tags import Owner
from tasks.aws.task import aws_task
from tasks.ecs.task_definition import read_task_definition

__all__ = [
    "choose_old_revisions",
    "delete_revisions",
    "prune_revisions",
    "read_own_revisions",
    "read_revisions",
]

_PER_CALL: Final = 10


def read_revisions(
    aws: AwsConfig, family: str, status: Literal["ACTIVE", "INACTIVE"] = "ACTIVE"
) -> list[str]:
    """
    Read the ARNs of a family's revisions, newest first.

    An inactive one is deregistered, but not deleted.

    Source: ECS ListTaskDefinitions.
    """
    paginator = client(aws, "ecs").get_paginator("list_task_definitions")
    pages = paginator.paginate(familyPrefix=family, status=status, sort="DESC")
    found = pages.build_full_result()["taskDefinitionArns"]
    own = [arn for arn in found if _family(arn) == family]
    return sorted(own, key=_number, reverse=True)


def _family(arn: str) -> str:
    """The family in a revision's ARN."""
    _, _, name = arn.rpartition("/")
    family, _, _ = name.rpartition(":")
    return family


def _number(arn: str) -> int:
    """The number in a revision's ARN."""
    return int(arn.rpartition(":")[2])


def choose_old_revisions(revisions: Sequence[str], in_use: Collection[str], keep: int) -> list[str]:
    """
    Choose the revisions to delete.

    Args:
        revisions: ARNs of a family's active revisions, newest first; the newest stays: the next run
            compares with it.
        in_use: ARNs that stay whatever their age.
        keep: How many of the others stay as well.
    """
    others = [arn for arn in revisions[1:] if arn not in in_use]
    return others[keep:]


@aws_task("prune revisions of {family}")
def prune_revisions(
    aws: AwsConfig, family: str, owner: Owner, in_use: frozenset[str], keep: int
) -> list[str]:
    """
    Deregister and delete this split's old revisions.

    Args:
        aws: Where AWS is.
        family: Family of the task definition.
        owner: Only revisions that it owns are deleted.
        in_use: ARNs that stay in any case.
        keep: How many others stay.

    Returns:
        ARNs of the deleted revisions.

    Source: ECS ListTaskDefinitions, DescribeTaskDefinition, DeregisterTaskDefinition,
        DeleteTaskDefinitions.
    """
    revisions = read_revisions(aws, family)
    old = choose_old_revisions(revisions, in_use, keep)
    own = _only_own(aws, old, owner)
    _delete(aws, own)
    return own


def read_own_revisions(aws: AwsConfig, family: str, owner: Owner) -> list[str]:
    """
    Read the ARNs of a family's revisions that this split registered and has not deleted yet.

    Source: ECS ListTaskDefinitions, DescribeTaskDefinition.
    """
    revisions = read_revisions(aws, family) + read_revisions(aws, family, "INACTIVE")
    return _only_own(aws, revisions, owner)


@aws_task("delete revisions of {family}")
def delete_revisions(aws: AwsConfig, family: str, owner: Owner) -> None:
    """
    Deregister and delete every revision that this split registered.

    No service may use them any more.

    Source: ECS ListTaskDefinitions, DescribeTaskDefinition, DeregisterTaskDefinition,
        DeleteTaskDefinitions.
    """
    _delete(aws, read_own_revisions(aws, family, owner))


def _only_own(aws: AwsConfig, arns: Sequence[str], owner: Owner) -> list[str]:
    """The revisions that the owner registered."""
    return [arn for arn in arns if _is_own(aws, arn, owner)]


def _is_own(aws: AwsConfig, arn: str, owner: Owner) -> bool:
    """Whether the owner registered a revision."""
    definition = read_task_definition(aws, arn)
    return definition is not None and owner.owns(definition["tags"])


def _delete(aws: AwsConfig, arns: Sequence[str]) -> None:
    """Deregister and delete revisions; deregistering an inactive one changes nothing."""
    ecs = client(aws, "ecs")
    for arn in arns:
        ecs.deregister_task_definition(taskDefinition=arn)
    for part in parts(arns, _PER_CALL):
        deleted = ecs.delete_task_definitions(taskDefinitions=part)
        for failure in deleted.get("failures", []):
            _warn(failure)


def _warn(failure: Any) -> None:
    """Log that a revision was not deleted."""
    log().warning(
        "%s is deregistered, but not deleted: %s",
        failure.get("arn"),
        failure.get("reason"),
    )
