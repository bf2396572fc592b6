"""
The size of the monolith before the first weight: what it must have before traffic returns to it.

It is recorded twice: in tags of the monolith, and in tags of the split's own path rules, since
other tools (Terraform) remove tags that they do not know from the monolith.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from config.aws import AwsConfig
from tasks.autoscaling.scaling import Suspension
from tasks.aws.clients import client
from tasks.aws.parts import parts
from tasks.aws.tags import CONFIG, tag_list
from tasks.aws.task import aws_task
from tasks.ecs.not_active import named_where_not_active
from tasks.elbv2.rule_matching import PATH, Rule

__all__ = [
    "COUNT",
    "SizeRecord",
    "forget_on_rules",
    "forget_size",
    "is_taggable",
    "own_path_rules",
    "record_on_rules",
    "record_size",
    "recorded_size",
    "scale_monolith",
    "size_to_record",
]

COUNT: Final = "split:desired-count"
"""Tag on the monolith: its desired count."""
_SCALING: Final = "split:scaling"
_RULE_COUNT: Final = "split:monolith-count"
_RULE_SCALING: Final = "split:monolith-scaling"
_RULE_TAGS: Final = (_RULE_COUNT, _RULE_SCALING)
_NOT_SCALED: Final = "none"
_PER_CALL: Final = 20


@dataclass(frozen=True)
class SizeRecord:
    """The size of the monolith, as it was found."""

    desired_count: int
    suspension: Suspension | None
    """What of its scaling was suspended; None when it has no autoscaling."""
    is_held: bool = True
    """
    Whether its scaling, or its size, is now the split's doing and has to be restored; otherwise
    only the size is known, for a later rollback.
    """

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> "SizeRecord | None":
        """From the monolith's tags; None when they have no record."""
        if COUNT not in tags:
            return None
        scaling = tags.get(_SCALING, _NOT_SCALED)
        return cls(int(tags[COUNT]), _parse(scaling))

    @classmethod
    def from_rule(cls, tags: Mapping[str, str]) -> "SizeRecord | None":
        """From the tags of one of the split's path rules; None when they have no record."""
        if _RULE_COUNT not in tags:
            return None
        scaling = tags.get(_RULE_SCALING, _NOT_SCALED)
        return cls(int(tags[_RULE_COUNT]), _parse(scaling), is_held=_RULE_SCALING in tags)

    @property
    def tags(self) -> dict[str, str]:
        """For the monolith's ECS service."""
        return {COUNT: str(self.desired_count), _SCALING: self._scaling}

    @property
    def rule_tags(self) -> dict[str, str]:
        """For the split's path rules."""
        tags = {_RULE_COUNT: str(self.desired_count)}
        if self.is_held:
            tags[_RULE_SCALING] = self._scaling
        return tags

    @property
    def _scaling(self) -> str:
        """What was suspended, for a tag."""
        return str(self.suspension or _NOT_SCALED)


def _parse(scaling: str) -> Suspension | None:
    """What was suspended, from its tag."""
    if scaling == _NOT_SCALED:
        return None
    return Suspension.parse(scaling)


def is_taggable(service_arn: str) -> bool:
    """
    Whether a service can have tags: not one with an ARN of the old format, without its cluster.

    Source: ECS developer guide, "Amazon Resource Names (ARNs) and IDs".
    """
    return service_arn.count("/") > 1


def own_path_rules(rules: Iterable[Rule], split: str) -> list[Rule]:
    """The path rules of all services of a split."""
    own = [rule for rule in rules if rule.is_made_by_this_tool and rule.split == split]
    return [rule for rule in own if rule.role == PATH]


def recorded_size(
    monolith_tags: Mapping[str, str], rules: Iterable[Rule], split: str
) -> SizeRecord | None:
    """
    The recorded size, from whatever is left of the record; None when nothing is.

    Args:
        monolith_tags: Of its ECS service.
        rules: All rules of the listener.
        split: Name of the split.
    """
    found = [SizeRecord.from_tags(monolith_tags)]
    found += [SizeRecord.from_rule(rule.tags) for rule in own_path_rules(rules, split)]
    records = [record for record in found if record]
    if not records:
        return None
    held = [record for record in records if record.is_held]
    return SizeRecord(
        desired_count=max(record.desired_count for record in records),
        suspension=held[0].suspension if held else None,
        is_held=bool(held),
    )


def size_to_record(
    desired_count: int, scaling: Suspension | None, before: SizeRecord | None, *, is_serving: bool
) -> SizeRecord:
    """
    The record for a monolith whose scaling, or size, is about to be changed.

    Args:
        desired_count: As it is now.
        scaling: What is suspended now; None when it has no autoscaling.
        before: What is recorded already.
        is_serving: Whether services get a part of its requests already: then it may have become
            smaller since, and the recorded size counts.
    """
    if before is None:
        return SizeRecord(desired_count, scaling)
    count = desired_count
    if before.is_held or is_serving:
        count = max(count, before.desired_count)
    if before.is_held and before.suspension:
        return SizeRecord(count, before.suspension)
    return SizeRecord(count, scaling)


@aws_task("record size of {service_arn}")
def record_size(aws: AwsConfig, service_arn: str, split: str, record: SizeRecord) -> None:
    """
    Record the size in the monolith's tags.

    Raises:
        ServiceUnhealthy: The service was deleted.

    Source: ECS TagResource.
    """
    tags = tag_list({**record.tags, CONFIG: split}, lower=True)
    with named_where_not_active(service_arn.rpartition("/")[2]):
        client(aws, "ecs").tag_resource(resourceArn=service_arn, tags=tags)


@aws_task("record size of the monolith on its rules")
def record_on_rules(aws: AwsConfig, rules: Sequence[str], record: SizeRecord) -> None:
    """
    Record the size in the tags of the split's path rules.

    Args:
        aws: Where AWS is.
        rules: ARNs.
        record: The size.

    Source: ELBv2 AddTags.
    """
    for arns in parts(rules, _PER_CALL):
        client(aws, "elbv2").add_tags(ResourceArns=arns, Tags=tag_list(record.rule_tags))


@aws_task("forget recorded size of {service_arn}")
def forget_size(aws: AwsConfig, service_arn: str) -> None:
    """
    Remove the record from the monolith once its size and scaling are restored.

    Raises:
        ServiceUnhealthy: The service was deleted.

    Source: ECS UntagResource.
    """
    with named_where_not_active(service_arn.rpartition("/")[2]):
        client(aws, "ecs").untag_resource(
            resourceArn=service_arn, tagKeys=[COUNT, _SCALING, CONFIG]
        )


@aws_task("forget recorded size of the monolith on its rules")
def forget_on_rules(aws: AwsConfig, rules: Sequence[Rule], *, keep_size: bool) -> None:
    """
    Remove the record from the split's path rules once size and scaling are restored.

    Args:
        aws: Where AWS is.
        rules: The path rules.
        keep_size: Whether the size itself stays recorded, because services get requests.

    Source: ELBv2 RemoveTags.
    """
    keys = [_RULE_SCALING] if keep_size else list(_RULE_TAGS)
    tagged = [rule.arn for rule in rules if not rule.tags.keys().isdisjoint(keys)]
    for arns in parts(tagged, _PER_CALL):
        client(aws, "elbv2").remove_tags(ResourceArns=arns, TagKeys=keys)


@aws_task("set desired count of {service} to {count}")
def scale_monolith(aws: AwsConfig, cluster_arn: str, service: str, count: int) -> None:
    """
    Set the desired count.

    Raises:
        ServiceUnhealthy: The service was deleted.

    Source: ECS UpdateService.
    """
    with named_where_not_active(service):
        client(aws, "ecs").update_service(cluster=cluster_arn, service=service, desiredCount=count)
