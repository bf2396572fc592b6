"""
The listener's default action, and other rules that name the monolith: who answers what no service
takes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from config.aws import AwsConfig
from config.errors import DrainRefused
from config.monolith import FixedResponse, ForwardTo, KeepDefault
from tasks.aws.clients import client
from tasks.aws.tags import MANAGED_BY, TOOL, tag_dict, tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import Rule, receives, users_rules, weights_of

__all__ = [
    "desired_default",
    "give_back",
    "monolith_rules",
    "read_balancer_rules",
    "read_receivers",
    "read_taken_over",
    "take_over",
    "why_not_to_take_over",
]

_TAKEN_OVER: Final = "split:taken-over"
"""
Tag on a rule, or on the listener for its default action, that forwarded to the monolith: name of
the split.
"""


def desired_default(
    action: KeepDefault | ForwardTo | FixedResponse, target_groups: Mapping[str, str]
) -> list[Any] | None:
    """
    The action for what no service takes, in ELBv2's words; None when the monolith keeps it.

    Args:
        action: As configured.
        target_groups: ARN by service name.
    """
    match action:
        case KeepDefault():
            return None
        case ForwardTo(service=service):
            return [{"Type": "forward", "TargetGroupArn": target_groups[service]}]
        case FixedResponse():
            response = {
                "StatusCode": action.status_code,
                "ContentType": action.content_type,
                "MessageBody": action.message_body,
            }
            return [{"Type": "fixed-response", "FixedResponseConfig": response}]


def monolith_rules(rules: Sequence[Rule], monolith_group: str) -> list[Rule]:
    """
    The rules not made by this tool, the default one among them, that send
    requests to the monolith.
    """
    return [
        rule
        for rule in users_rules(rules)
        if rule.tags.get(MANAGED_BY) != TOOL and receives(rule, monolith_group)
    ]


def why_not_to_take_over(rule: Rule, monolith_group: str) -> str | None:
    """Why changing this rule could not be undone exactly; None when it can."""
    if len(rule.actions) != 1:
        return f"{rule.label} does more than forward"
    if set(weights_of(rule)) != {monolith_group}:
        return f"{rule.label} forwards to other target groups as well"
    sticky = (rule.actions[0].get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
    return f"{rule.label} has stickiness" if sticky.get("Enabled") else None


@aws_task("hand over {rule.label}")
def take_over(
    aws: AwsConfig,
    listener_arn: str,
    rule: Rule,
    actions: list[Any],
    monolith_group: str,
    split: str,
) -> None:
    """
    Give what a rule sent to the monolith to someone else, in a way that can be undone.

    Raises:
        DrainRefused: The rule does more than forward to the monolith.

    Source: ELBv2 AddTags, ModifyRule, ModifyListener.
    """
    reason = why_not_to_take_over(rule, monolith_group)
    if reason:
        raise DrainRefused(
            f"{reason}; change it by hand to what it should be without the monolith, then run again"
        )
    elb = client(aws, "elbv2")
    tagged = listener_arn if rule.is_default else rule.arn
    # The tag first: whatever a killed run has changed is then known to be ours to give back.
    elb.add_tags(ResourceArns=[tagged], Tags=tag_list({_TAKEN_OVER: split}))
    if rule.is_default:
        elb.modify_listener(ListenerArn=listener_arn, DefaultActions=actions)
    else:
        elb.modify_rule(RuleArn=rule.arn, Actions=actions)


def read_taken_over(aws: AwsConfig, listener_arn: str, split: str) -> list[Rule]:
    """
    The rules that this split took from the monolith.

    Source: ELBv2 DescribeRules, DescribeTags.
    """
    tags = client(aws, "elbv2").describe_tags(ResourceArns=[listener_arn])["TagDescriptions"][0][
        "Tags"
    ]
    default_taken = tag_dict(tags).get(_TAKEN_OVER) == split
    return [
        rule
        for rule in read_rules(aws, listener_arn)
        if rule.tags.get(_TAKEN_OVER) == split or (rule.is_default and default_taken)
    ]


@aws_task("give back {rule.label}")
def give_back(aws: AwsConfig, listener_arn: str, rule: Rule, monolith_group: str) -> None:
    """
    Let a rule forward to the monolith again.

    Source: ELBv2 ModifyRule, ModifyListener, RemoveTags.
    """
    elb = client(aws, "elbv2")
    actions: Any = [{"Type": "forward", "TargetGroupArn": monolith_group}]
    tagged = listener_arn if rule.is_default else rule.arn
    if not receives(rule, monolith_group):
        if rule.is_default:
            elb.modify_listener(ListenerArn=listener_arn, DefaultActions=actions)
        else:
            elb.modify_rule(RuleArn=rule.arn, Actions=actions)
    elb.remove_tags(ResourceArns=[tagged], TagKeys=[_TAKEN_OVER])


def read_receivers(aws: AwsConfig, target_group_arn: str) -> list[str]:
    """
    Every rule of every listener that sends requests to a target group, in words.

    Source: ELBv2 DescribeTargetGroups, DescribeListeners, DescribeRules.
    """
    groups = client(aws, "elbv2").describe_target_groups(TargetGroupArns=[target_group_arn])[
        "TargetGroups"
    ]
    rules = read_balancer_rules(aws, groups[0]["LoadBalancerArns"])
    return [f"{rule.label} on {where}" for where, rule in rules if receives(rule, target_group_arn)]


def read_balancer_rules(
    aws: AwsConfig, load_balancer_arns: Iterable[str]
) -> list[tuple[str, Rule]]:
    """
    Every rule of every listener of load balancers, with its place, e.g. `port 80`.

    Source: ELBv2 DescribeListeners, DescribeRules, DescribeTags.
    """
    elb = client(aws, "elbv2")
    found = []
    for balancer in sorted(set(load_balancer_arns)):
        for page in elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer):
            for listener in page["Listeners"]:
                rules = read_rules(aws, listener["ListenerArn"])
                found += [(f"port {listener['Port']}", rule) for rule in rules]
    return found
