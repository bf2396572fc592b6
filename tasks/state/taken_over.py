"""
Which rules a split took over from the monolith, recorded on the split's own path rules as well.

The tag on a rule that was taken over may be removed by other tools: Terraform removes tags that it
does not know.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.parts import parts
from tasks.aws.tags import tag_list
from tasks.aws.task import aws_task
from tasks.ecs.size_record import own_path_rules
from tasks.elbv2 import default_action
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import Rule

__all__ = ["forget_taken_over", "read_taken_over", "record_taken_over", "taken_over_tags"]

_RECORD: Final = "split:monolith-rules"
"""
Tag on a path rule with the ids of the rules that were taken over; with a number at its end where
one value is too short for all.
"""
_DEFAULT: Final = "default"
_IDS_PER_TAG: Final = 15
"""ELBv2 allows a tag's value 256 characters, and an id has 16."""
_RULES_PER_CALL: Final = 20


def read_taken_over(aws: AwsConfig, listener_arn: str, split: str) -> list[Rule]:
    """
    Read the rules that a split took over from the monolith, by their own tags and by the record.

    Source: ELBv2 DescribeRules, DescribeTags.
    """
    tagged = default_action.read_taken_over(aws, listener_arn, split)
    arns = {rule.arn for rule in tagged}
    rules = read_rules(aws, listener_arn)
    recorded = _recorded_ids(own_path_rules(rules, split))
    return [rule for rule in rules if rule.arn in arns or _id(rule) in recorded]


def _id(rule: Rule) -> str:
    """The last part of a rule's ARN, which stays when its priority changes."""
    return _DEFAULT if rule.is_default else rule.arn.rpartition("/")[2]


def _recorded_ids(own: Iterable[Rule]) -> set[str]:
    """The ids in the tags of a split's path rules."""
    ids: set[str] = set()
    for rule in own:
        for key in _record_keys(rule):
            ids.update(rule.tags[key].split())
    return ids


def _record_keys(rule: Rule) -> list[str]:
    """The keys of a path rule's tags with ids."""
    return [key for key in rule.tags if key.startswith(_RECORD)]


def taken_over_tags(rules: Iterable[Rule]) -> dict[str, str]:
    """The tags that record which rules were taken over."""
    ids = sorted(map(_id, rules), key=_default_first)
    tags = {}
    for number, part in enumerate(parts(ids, _IDS_PER_TAG), start=1):
        key = _RECORD if number == 1 else f"{_RECORD}-{number}"
        tags[key] = " ".join(part)
    return tags


def _default_first(rule_id: str) -> tuple[bool, str]:
    """For sorting, so that equal records are equal tags."""
    return rule_id != _DEFAULT, rule_id


@aws_task("record the rules that are taken over from the monolith")
def record_taken_over(aws: AwsConfig, own: Sequence[Rule], taken_over: Sequence[Rule]) -> None:
    """
    Record on the split's path rules which rules it takes over; rules recorded earlier stay.

    Args:
        aws: Where AWS is.
        own: The split's path rules.
        taken_over: Rules that forward, or forwarded, to the monolith.

    Source: ELBv2 AddTags.
    """
    tags = taken_over_tags(taken_over)
    lacking = [rule.arn for rule in own if not tags.items() <= rule.tags.items()]
    for arns in parts(lacking, _RULES_PER_CALL):
        client(aws, "elbv2").add_tags(ResourceArns=arns, Tags=tag_list(tags))


@aws_task("forget the rules that were taken over from the monolith")
def forget_taken_over(aws: AwsConfig, own: Sequence[Rule]) -> None:
    """
    Remove the record once the rules forward to the monolith again.

    Source: ELBv2 RemoveTags.
    """
    for rule in own:
        keys = _record_keys(rule)
        if keys:
            client(aws, "elbv2").remove_tags(ResourceArns=[rule.arn], TagKeys=keys)
