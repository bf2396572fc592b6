"""
ELBv2 listener rules: the path rule that shares traffic, the preview and control rules.

`path_rule` has what they should be, `rule_priority` their priority, `weights` their weights.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from config.aws import AwsConfig
from config.errors import TrafficConflict
from tasks.aws.change import Change, Conflict, Create, Update, compare_fields, refuse_conflict
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.path_rule import PathRule, desired_path_rules, desired_preview_rules
from tasks.elbv2.rule_matching import (
    DEFAULT_PRIORITY,
    PATH,
    Rule,
    by_priority,
    own_rules,
)
from tasks.elbv2.rule_priority import free_priority
from tasks.elbv2.rules.edits import edit_text, edited, forms_tag
from tasks.elbv2.rules.form import form_of
from tasks.elbv2.tags import read_tags

__all__ = [
    "PathRule",
    "compare_rule",
    "delete_rule",
    "desired_path_rules",
    "desired_preview_rules",
    "ensure_rule",
    "own_rules",
    "read_rule",
    "read_rules",
    "rule_is_gone",
]


_READ: Final = frozenset(
    {"RuleArn", "Priority", "Conditions", "Actions", "IsDefault", "Transforms"},
)


def read_rules(aws: AwsConfig, listener_arn: str) -> list[Rule]:
    """
    Read all rules of the listener with their tags, by priority; the default rule last.

    Source: ELBv2 DescribeRules, DescribeTags.
    """
    elb = client(aws, "elbv2")
    pages = elb.get_paginator("describe_rules").paginate(ListenerArn=listener_arn)
    found = pages.build_full_result()["Rules"]
    try:
        return sorted(_with_tags(aws, found), key=by_priority)
    except elb.exceptions.RuleNotFoundException:
        # Another service's preview rule was deleted between the two calls.
        return read_rules(aws, listener_arn)


def read_rule(aws: AwsConfig, rule_arn: str) -> Rule:
    """
    Read one rule with its tags.

    Raises:
        TrafficConflict: It does not exist any more.

    Source: ELBv2 DescribeRules, DescribeTags.
    """
    elb = client(aws, "elbv2")
    try:
        found = elb.describe_rules(RuleArns=[rule_arn])["Rules"]
        return _with_tags(aws, found)[0]
    except elb.exceptions.RuleNotFoundException:
        raise rule_is_gone(rule_arn) from None


def rule_is_gone(rule_arn: str) -> TrafficConflict:
    """The error for a rule that does not exist any more."""
    return TrafficConflict(
        f"rule {rule_arn} is gone: somebody deleted it; run again to create a new one"
    )


def _with_tags(aws: AwsConfig, found: Sequence[Any]) -> list[Rule]:
    """Make rules of ELBv2's descriptions; a default rule has no tags."""
    arns = [rule["RuleArn"] for rule in found if not rule["IsDefault"]]
    tags = read_tags(aws, arns)
    return [_rule(described, tags.get(described["RuleArn"], {})) for described in found]


def _rule(described: Any, tags: Mapping[str, str]) -> Rule:
    """Make a rule of ELBv2's description."""
    return Rule(
        arn=described["RuleArn"],
        priority=_priority(described),
        conditions=tuple(described["Conditions"]),
        actions=tuple(described["Actions"]),
        tags=tags,
        transforms=tuple(described.get("Transforms") or ()),
        unknown=tuple(sorted(set(described) - _READ)),
    )


def _priority(described: Any) -> int:
    """A rule's priority as a number."""
    if described["IsDefault"]:
        return DEFAULT_PRIORITY
    return int(described["Priority"])


def compare_rule(desired: PathRule, observed: Rule | None) -> Change:
    """What has to happen to the rule, apart from its weights."""
    if observed is None:
        return Create()
    change = edited(observed, desired.conditions)
    if change:
        text = edit_text(observed, change)
        remedy = _remedy(observed, desired)
        return Conflict(f"{text}; traffic stays as it is. To go on, {remedy}, then run again")
    wanted = {
        "path-pattern": sorted(desired.patterns),
        "tags": desired.tags,
    }
    current = {
        "path-pattern": sorted(observed.path_patterns),
        "tags": observed.tags,
    }
    return compare_fields(wanted, current)


def _remedy(rule: Rule, desired: PathRule) -> str:
    """The command that restores what the rule matches, where that was changed."""
    wanted = form_of(desired.conditions, ())
    if rule.form.matches == wanted.matches:
        return "let it forward to the monolith's and the service's target groups alone"
    transforms = " --reset-transforms" if rule.transforms else ""
    return (
        f"restore it with `aws elbv2 modify-rule --rule-arn {rule.arn} "
        f"--conditions '{json.dumps(desired.conditions)}'{transforms}`"
    )


@aws_task("ensure {desired.role} rule of {desired.owner.service}")
def ensure_rule(
    aws: AwsConfig,
    listener_arn: str,
    desired: PathRule,
    weights: Mapping[str, int],
    monolith_group: str,
) -> str:
    """
    Create the rule, or update the existing one; the weights of an existing path rule stay.

    Args:
        aws: Where AWS is.
        listener_arn: The listener.
        desired: The rule.
        weights: Weight by target group ARN for a new rule.
        monolith_group: ARN of the monolith's target group.

    Returns:
        The rule ARN.

    Raises:
        ResourceConflict: No priority is free at the rule's place, or somebody else changed the
            rule.

    Source: ELBv2 CreateRule, ModifyRule, AddTags.
    """
    elb = client(aws, "elbv2")
    while True:
        rules = read_rules(aws, listener_arn)
        observed = own_rules(rules, desired.owner, desired.role).get(desired.chunk)
        if observed is not None:
            _update_rule(aws, observed, desired, weights)
            return observed.arn
        priority = free_priority(rules, desired, monolith_group)
        try:
            return _create_rule(aws, listener_arn, desired, weights, priority)
        except elb.exceptions.PriorityInUseException:
            log().info("priority %d was taken in the meantime; trying another", priority)


def _create_rule(
    aws: AwsConfig,
    listener_arn: str,
    desired: PathRule,
    weights: Mapping[str, int],
    priority: int,
) -> str:
    """Create the rule, and return its ARN."""
    actions = desired.actions(weights)
    made = client(aws, "elbv2").create_rule(
        ListenerArn=listener_arn,
        Priority=priority,
        Conditions=desired.conditions,
        Actions=actions,
        Tags=tag_list(desired.tags_when_created(actions, priority)),
    )
    return made["Rules"][0]["RuleArn"]


def _update_rule(
    aws: AwsConfig, observed: Rule, desired: PathRule, weights: Mapping[str, int]
) -> None:
    """Update an existing rule."""
    if desired.role == PATH:
        _update_path_rule(aws, observed, desired)
        return
    # Left by an interrupted run, whose secret is lost: it gets this run's.
    client(aws, "elbv2").modify_rule(
        RuleArn=observed.arn,
        Conditions=desired.conditions,
        Actions=desired.actions(weights),
    )


def _update_path_rule(aws: AwsConfig, observed: Rule, desired: PathRule) -> None:
    """
    Update conditions and tags, where they differ.

    The tags first: after a killed run, the conditions before or after the write are known to be
    this tool's.

    Raises:
        ResourceConflict: Somebody else changed the rule.
    """
    change = compare_rule(desired, observed)
    refuse_conflict(change)
    after = form_of(desired.conditions, observed.actions)
    tags = {**desired.tags, **forms_tag(observed.form, after)}
    missing = {name: tags[name] for name in tags if observed.tags.get(name) != tags[name]}
    elb = client(aws, "elbv2")
    if missing:
        elb.add_tags(ResourceArns=[observed.arn], Tags=tag_list(missing))
    if isinstance(change, Update) and "path-pattern" in change.fields:
        elb.modify_rule(
            RuleArn=observed.arn,
            Conditions=desired.conditions,
        )


@aws_task("delete rule {rule_arn}")
def delete_rule(aws: AwsConfig, rule_arn: str) -> None:
    """
    Delete the rule if it exists.

    Source: ELBv2 DeleteRule.
    """
    elb = client(aws, "elbv2")
    try:
        elb.delete_rule(RuleArn=rule_arn)
    except elb.exceptions.RuleNotFoundException:
        log().info("rule %s was already deleted", rule_arn)
