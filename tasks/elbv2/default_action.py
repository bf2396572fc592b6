"""
Requests that no service takes: the listener's default action, and other rules for the monolith.

Before the monolith is drained, the split takes them over; each carries a tag from then on, so that
it can be returned.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from config.aws import AwsConfig
from config.errors import DrainRefused
from config.monolith import FixedResponse, ForwardTo, KeepDefault
from tasks.aws.clients import client
from tasks.aws.tags import tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.listener import read_listeners
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import Rule, receives, users_rules, weights_of
from tasks.elbv2.rules.edits import FORM, forms_tag, recorded_forms
from tasks.elbv2.rules.form import form_of, stickiness_of
from tasks.elbv2.tags import read_tags

__all__ = [
    "TAKEN_OVER",
    "desired_default",
    "edit_of_taken_over",
    "give_back",
    "monolith_rules",
    "read_balancer_rules",
    "read_receivers",
    "read_taken_over",
    "take_over",
    "taken_over_rules",
    "why_not_to_take_over",
]

TAKEN_OVER: Final = "split:taken-over"
"""
Tag on a rule that forwarded to the monolith, or on the listener for its default action: name of the
split.
"""


def desired_default(
    action: KeepDefault | ForwardTo | FixedResponse, target_groups: Mapping[str, str]
) -> list[Any] | None:
    """
    The ELBv2 actions for requests that no service takes; None when the monolith keeps them.

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
    """The rules that send requests to the monolith, other than those that this tool made."""
    others = [rule for rule in users_rules(rules) if not rule.is_made_by_this_tool]
    return [rule for rule in others if receives(rule, monolith_group)]


def why_not_to_take_over(rule: Rule, monolith_group: str) -> str | None:
    """Why a change of this rule could not be undone exactly; None when it can."""
    if len(rule.actions) != 1:
        return f"{rule.label} does more than forward"
    if set(weights_of(rule)) != {monolith_group}:
        return f"{rule.label} forwards to other target groups as well"
    if stickiness_of(rule.actions[0]) is not None:
        return f"{rule.label} has stickiness"
    return None


@aws_task("take over {rule.label} from the monolith")
def take_over(
    aws: AwsConfig,
    listener_arn: str,
    rule: Rule,
    actions: list[Any],
    monolith_group: str,
    split: str,
) -> None:
    """
    Replace the actions of a rule that forwards to the monolith, in a way that can be undone.

    Raises:
        DrainRefused: The rule does more than forward to the monolith.

    Source: ELBv2 AddTags, ModifyRule, ModifyListener.
    """
    reason = why_not_to_take_over(rule, monolith_group)
    if reason:
        raise DrainRefused(
            f"{reason}; change it by hand to what it should be without the monolith, then run again"
        )
    # The tag first: what a killed run has changed is then known to be this split's to return.
    place = _tagged(listener_arn, rule)
    after = form_of(rule.conditions, actions, rule.transforms)
    _tag(aws, place, {TAKEN_OVER: split, **forms_tag(rule.form, after)})
    _set_actions(aws, listener_arn, rule, actions)
    _tag(aws, place, forms_tag(after))


def _tag(aws: AwsConfig, arn: str, tags: Mapping[str, str]) -> None:
    """Tag a rule or a listener."""
    client(aws, "elbv2").add_tags(
        ResourceArns=[arn],
        Tags=tag_list(tags),
    )


def read_taken_over(aws: AwsConfig, listener_arn: str, split: str) -> list[Rule]:
    """
    Read the rules that this split took over from the monolith.

    Source: ELBv2 DescribeRules, DescribeTags.
    """
    listener_tags = read_tags(aws, [listener_arn])[listener_arn]
    return taken_over_rules(read_rules(aws, listener_arn), listener_tags, split)


def taken_over_rules(
    rules: Iterable[Rule], listener_tags: Mapping[str, str], split: str
) -> list[Rule]:
    """
    The rules that a split took over from the monolith; the default rule with the listener's tags.

    Args:
        rules: All rules of the listener.
        listener_tags: Those of the listener.
        split: Name of the split.
    """
    found = []
    for rule in rules:
        tagged = replace(rule, tags=listener_tags) if rule.is_default else rule
        if tagged.tags.get(TAKEN_OVER) == split:
            found.append(tagged)
    return found


def edit_of_taken_over(rule: Rule) -> str | None:
    """
    How a rule that was taken over differs from what the split left; None when it does not.

    Args:
        rule: Of `taken_over_rules`.
    """
    recorded = recorded_forms(rule.tags)
    if not recorded or rule.form in recorded:
        return None  # An older version recorded nothing.
    return (
        f"{rule.label} was taken over from the monolith, and is not as this tool left it: somebody "
        "else changed its conditions or actions. Put it back, or remove tag "
        f"{FORM} from it to accept the change, then run again"
    )


@aws_task("return {rule.label} to the monolith")
def give_back(aws: AwsConfig, listener_arn: str, rule: Rule, monolith_group: str) -> None:
    """
    Let a rule that was taken over forward to the monolith again.

    Source: ELBv2 ModifyRule, ModifyListener, RemoveTags.
    """
    if not receives(rule, monolith_group):
        forward = {"Type": "forward", "TargetGroupArn": monolith_group}
        _set_actions(aws, listener_arn, rule, [forward])
    client(aws, "elbv2").remove_tags(
        ResourceArns=[_tagged(listener_arn, rule)],
        TagKeys=[TAKEN_OVER, FORM],
    )


def _tagged(listener_arn: str, rule: Rule) -> str:
    """ARN that carries the rule's tag: a default rule has no tags of its own."""
    return listener_arn if rule.is_default else rule.arn


def _set_actions(aws: AwsConfig, listener_arn: str, rule: Rule, actions: list[Any]) -> None:
    """Replace a rule's actions; a default rule's belong to its listener."""
    elb = client(aws, "elbv2")
    if rule.is_default:
        elb.modify_listener(ListenerArn=listener_arn, DefaultActions=actions)
    else:
        elb.modify_rule(RuleArn=rule.arn, Actions=actions)


def read_receivers(aws: AwsConfig, target_group_arn: str) -> list[str]:
    """
    Read which rules of any listener send requests to a target group, e.g. `rule 9 (/a) on port 80`.

    Source: ELBv2 DescribeTargetGroups, DescribeListeners, DescribeRules.
    """
    elb = client(aws, "elbv2")
    found = elb.describe_target_groups(TargetGroupArns=[target_group_arn])
    balancers = found["TargetGroups"][0]["LoadBalancerArns"]
    receivers = []
    for place, rule in read_balancer_rules(aws, balancers):
        if receives(rule, target_group_arn):
            receivers.append(f"{rule.label} on {place}")
    return receivers


def read_balancer_rules(
    aws: AwsConfig, load_balancer_arns: Iterable[str]
) -> list[tuple[str, Rule]]:
    """
    Read every rule of every listener of load balancers, with its place, e.g. `port 80`.

    Source: ELBv2 DescribeListeners, DescribeRules, DescribeTags.
    """
    found = []
    balancers = sorted(set(load_balancer_arns))
    for balancer in balancers:
        for listener in read_listeners(aws, balancer):
            place = f"port {listener['Port']}"
            rules = read_rules(aws, listener["ListenerArn"])
            found += [(place, rule) for rule in rules]
    return found
