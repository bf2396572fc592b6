"""Old revisions of a task definition: which of them nothing needs, and their end."""

from collections.abc import Collection, Sequence
from typing import Final, Literal

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.log import log
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
    ARNs of a family's revisions, newest first; an inactive one is deregistered, but not deleted.

    Source: ECS ListTaskDefinitions.
    """
    pages = (
        client(aws, "ecs")
        .get_paginator("list_task_definitions")
        .paginate(familyPrefix=family, status=status, sort="DESC")
    )
    found = [arn for page in pages for arn in page["taskDefinitionArns"]]
    own = [arn for arn in found if arn.rpartition("/")[2].rpartition(":")[0] == family]
    return sorted(own, key=lambda arn: int(arn.rpartition(":")[2]), reverse=True)


def choose_old_revisions(revisions: Sequence[str], in_use: Collection[str], keep: int) -> list[str]:
    """
    The revisions that may go.

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
        owner: Only what it owns is touched.
        in_use: ARNs that stay in any case.
        keep: How many others stay.

    Returns:
        ARNs of those that are gone.

    Source: ECS ListTaskDefinitions, DescribeTaskDefinition, DeregisterTaskDefinition,
        DeleteTaskDefinitions.
    """
    gone = _only_own(aws, choose_old_revisions(read_revisions(aws, family), in_use, keep), owner)
    _end(aws, gone)
    return gone


def read_own_revisions(aws: AwsConfig, family: str, owner: Owner) -> list[str]:
    """
    ARNs of a family's revisions that this split registered and did not delete yet.

    Source: ECS ListTaskDefinitions, DescribeTaskDefinition.
    """
    return _only_own(
        aws, [*read_revisions(aws, family), *read_revisions(aws, family, "INACTIVE")], owner
    )


@aws_task("delete revisions of {family}")
def delete_revisions(aws: AwsConfig, family: str, owner: Owner) -> None:
    """
    Deregister and delete every revision that this split registered; no service may use them any
    more.

    Source: ECS ListTaskDefinitions, DescribeTaskDefinition, DeregisterTaskDefinition,
        DeleteTaskDefinitions.
    """
    _end(
        aws, read_own_revisions(aws, family, owner)
    )  # deregistering what is inactive already changes nothing


def _only_own(aws: AwsConfig, arns: Sequence[str], owner: Owner) -> list[str]:
    held = {arn: read_task_definition(aws, arn) for arn in arns}
    return [
        arn
        for arn, definition in held.items()
        if definition is not None and owner.owns(definition["tags"])
    ]


def _end(aws: AwsConfig, arns: Sequence[str]) -> None:
    ecs = client(aws, "ecs")
    for arn in arns:
        ecs.deregister_task_definition(taskDefinition=arn)
    for start in range(0, len(arns), _PER_CALL):
        chunk = arns[start : start + _PER_CALL]
        for failure in ecs.delete_task_definitions(taskDefinitions=chunk).get("failures", []):
            log().warning(
                "%s is deregistered, but not deleted: %s", failure.get("arn"), failure.get("reason")
            )
