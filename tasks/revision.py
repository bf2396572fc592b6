"""Old revisions of a task definition: which of them nothing needs, and their end."""

from collections.abc import Collection, Sequence
from typing import Final

from config.aws import AwsConfig
from tasks.aws_task import aws_task, log
from tasks.clients import client
from tasks.ownership import Owner
from tasks.task_definition import read_task_definition

__all__ = ["choose_old_revisions", "prune_revisions", "read_revisions"]

_PER_CALL: Final = 10


def read_revisions(aws: AwsConfig, family: str) -> list[str]:
    """
    ARNs of a family's active revisions, newest first.

    Source: ECS ListTaskDefinitions.
    """
    pages = (
        client(aws, "ecs")
        .get_paginator("list_task_definitions")
        .paginate(familyPrefix=family, status="ACTIVE", sort="DESC")
    )
    found = [arn for page in pages for arn in page["taskDefinitionArns"]]
    own = [arn for arn in found if arn.rpartition("/")[2].rpartition(":")[0] == family]
    return sorted(own, key=lambda arn: int(arn.rpartition(":")[2]), reverse=True)


def choose_old_revisions(revisions: Sequence[str], in_use: Collection[str], keep: int) -> list[str]:
    """
    The revisions that may go.

    Args:
        revisions: ARNs of a family's active revisions, newest first; the newest stays: the next run compares with it.
        in_use: ARNs that stay whatever their age.
        keep: How many of the others stay as well.
    """
    others = [arn for arn in revisions[1:] if arn not in in_use]
    return others[keep:]


@aws_task("prune revisions of {family}")
def prune_revisions(aws: AwsConfig, family: str, owner: Owner, in_use: frozenset[str], keep: int) -> list[str]:
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

    Source: ECS ListTaskDefinitions, DescribeTaskDefinition, DeregisterTaskDefinition, DeleteTaskDefinitions.
    """
    ecs = client(aws, "ecs")
    gone = []
    for arn in choose_old_revisions(read_revisions(aws, family), in_use, keep):
        held = read_task_definition(aws, arn)
        if held is None or not owner.owns(held["tags"]):
            continue
        ecs.deregister_task_definition(taskDefinition=arn)
        gone.append(arn)
    for start in range(0, len(gone), _PER_CALL):
        chunk = gone[start : start + _PER_CALL]
        for failure in ecs.delete_task_definitions(taskDefinitions=chunk).get("failures", []):
            log().warning("%s is deregistered, but not deleted: %s", failure.get("arn"), failure.get("reason"))
    return gone
