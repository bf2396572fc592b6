"""The weights of a path rule: what the service gets, and how it is changed safely."""

from collections.abc import Mapping, Sequence
from typing import Any

from config.aws import AwsConfig
from config.errors import TrafficConflict
from tasks.aws.clients import client
from tasks.aws.tags import tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.path_rule import WEIGHTS
from tasks.elbv2.rule import read_rule, read_rules, rule_is_gone
from tasks.elbv2.rule_matching import Rule, weighted_forward, weights_of
from tasks.elbv2.rules.edits import (
    edit_text,
    edited,
    edited_actions,
    forms_tag,
    recorded_forms,
)
from tasks.elbv2.rules.form import Form, form_of
from tasks.elbv2.rules.precedence import overtaken

__all__ = [
    "check_unchanged",
    "check_weights",
    "is_returned",
    "return_rule",
    "service_share",
    "service_weight",
    "shift_weight",
]


def service_weight(rule: Rule, service_group: str) -> int:
    """
    The percentage of its requests that a rule gives the service.

    Raises:
        TrafficConflict: The rule no longer forwards to the service's target group.
    """
    weights = weights_of(rule)
    total = sum(weights.values())
    if service_group not in weights or total == 0:
        raise TrafficConflict(
            f"{rule.label} no longer forwards to {service_group}: somebody changed it; traffic "
            "stays as it is. Put the rule back or delete it, then run again"
        )
    return round(100 * weights[service_group] / total)


def _forms_of_write(rule: Rule, actions: Sequence[Any]) -> dict[str, str]:
    """The tag for a write of actions; what others did to the conditions is not made this tool's."""
    recorded = recorded_forms(rule.tags)
    if not recorded and edited(rule):
        return {}
    matches = [form.matches for form in recorded] or [rule.form.matches]
    written = form_of((), actions).actions
    forms = []
    for actions_before in (rule.form.actions, written):
        forms += [Form(known, actions_before) for known in matches]
    return forms_tag(*forms)


def service_share(rule: Rule, monolith_group: str, service_group: str | None) -> int | None:
    """
    The percentage of its requests that a path rule gives the service.

    Args:
        rule: The path rule.
        monolith_group: ARN of the monolith's target group.
        service_group: ARN of the service's target group; None when it does not exist.

    Returns:
        The percentage; None when the rule does not forward, does more than that (e.g. logs users
        in), or sends requests to a third group.
    """
    weights = weights_of(rule)
    others = _receivers(rule) - {monolith_group, service_group}
    if others or not weights or len(rule.actions) > 1:
        return None
    own = weights.get(service_group or "", 0)
    total = sum(weights.values())
    if own == 0:
        return 0
    # Never 0% while the service still gets requests.
    return max(1, round(100 * own / total))


def is_returned(rule: Rule, monolith_group: str) -> bool:
    """Whether every request of the rule goes to the monolith."""
    receivers = _receivers(rule)
    return receivers == {monolith_group}


def _receivers(rule: Rule) -> set[str]:
    """The target groups that get requests."""
    weights = weights_of(rule)
    return {arn for arn in weights if weights[arn] > 0}


def check_unchanged(rule: Rule, service_group: str) -> int:
    """
    Return the service's weight, if the rule is as this tool left it.

    Raises:
        TrafficConflict: Somebody else changed the rule since the tool's last write.
    """
    weight = _check_actions(rule, service_group)
    _refuse_edit(rule, edited(rule))
    return weight


def _check_actions(rule: Rule, service_group: str) -> int:
    """
    Return the service's weight, if this tool wrote the actions: others are not overwritten.

    Raises:
        TrafficConflict: Somebody else changed weights or actions since the tool's last write.
    """
    weight = check_weights(rule, service_group)
    _refuse_edit(rule, edited_actions(rule))
    return weight


def check_weights(rule: Rule, service_group: str) -> int:
    """
    Return the service's weight, if this tool wrote it.

    Raises:
        TrafficConflict: Somebody else changed the weights since the tool's last write.
    """
    weight = service_weight(rule, service_group)
    written = _written_weights(rule)
    weights = weights_of(rule)
    share = 100 * weights[service_group] / sum(weights.values())
    if weight in written and share == weight:
        return weight
    known = " or ".join(map(str, written)) or "none"
    remedy = "set the weights back"
    if share == weight:
        remedy += f", or tag the rule {WEIGHTS}={weight}:{weight} to accept them"
    raise TrafficConflict(
        f"{rule.label} gives the service {share:.3g}%, but this tool last wrote {known}: "
        f"somebody else changed it. Traffic stays as it is; {remedy}, then run again"
    )


def _refuse_edit(rule: Rule, change: str | None) -> None:
    """Refuse a rule that somebody else has changed."""
    if change:
        raise TrafficConflict(
            f"{edit_text(rule, change)}; traffic stays as it is. Put the rule back, then run again"
        )


def _written_weights(rule: Rule) -> list[int]:
    """The service's weight before and after the tool's last write; either may be in force."""
    parts = rule.tags.get(WEIGHTS, "").split(":")
    return sorted({int(part) for part in parts if part})


@aws_task("weight {weight} on {rule_arn}")
def shift_weight(
    aws: AwsConfig, rule_arn: str, monolith_group: str, service_group: str, weight: int
) -> int:
    """
    Give the service a percentage of the rule's requests, unless somebody else changed the rule.

    Args:
        aws: Where AWS is.
        rule_arn: The path rule.
        monolith_group: ARN of the monolith's target group.
        service_group: ARN of the service's target group.
        weight: Percentage for the service, 0 to 100.

    Returns:
        The weight before.

    Raises:
        TrafficConflict: Somebody else changed the rule.

    Source: ELBv2 DescribeRules, AddTags, ModifyRule.
    """
    if weight == 0:
        # A return of traffic does not wait until the rule's conditions are put back.
        rule = read_rule(aws, rule_arn)
        before = _check_actions(rule, service_group)
    else:
        rule = _read_unovertaken(aws, rule_arn, monolith_group)
        before = check_unchanged(rule, service_group)
    if before != weight:
        wanted = {monolith_group: 100 - weight, service_group: weight}
        _write_weights(aws, rule, wanted, f"{before}:{weight}")
    return before


def _read_unovertaken(aws: AwsConfig, rule_arn: str, monolith_group: str) -> Rule:
    """
    Read a path rule, if it still handles all the requests that it was made for.

    Raises:
        TrafficConflict: It is gone, or a rule before it takes some of its requests.
    """
    rules = read_rules(aws, _listener_of(rule_arn))
    for rule in rules:
        if rule.arn == rule_arn:
            reason = overtaken(rule, rules, monolith_group)
            if reason:
                raise TrafficConflict(reason)
            return rule
    raise rule_is_gone(rule_arn)


def _listener_of(rule_arn: str) -> str:
    """ARN of a rule's listener."""
    listener, _, _ = rule_arn.rpartition("/")
    return listener.replace(":listener-rule/", ":listener/")


@aws_task("roll back {rule_arn} to the monolith")
def return_rule(aws: AwsConfig, rule_arn: str, monolith_group: str, service_group: str) -> None:
    """
    Send every request of a path rule to the monolith, no matter who wrote its weights last.

    Args:
        aws: Where AWS is.
        rule_arn: The path rule.
        monolith_group: ARN of the monolith's target group.
        service_group: ARN of the service's target group.

    Raises:
        TrafficConflict: The rule sends requests to a third target group, or does not forward at
            all.

    Source: ELBv2 DescribeRules, AddTags, ModifyRule.
    """
    rule = read_rule(aws, rule_arn)
    share = service_share(rule, monolith_group, service_group)
    if share is None:
        raise TrafficConflict(
            f"{rule.label} no longer shares its requests between the monolith and "
            f"{service_group}: somebody changed it; traffic stays as it is. Let it forward to "
            "these two, or delete it, then run again"
        )
    wanted = {monolith_group: 100, service_group: 0}
    if weights_of(rule) != wanted:
        _write_weights(aws, rule, wanted, f"{share}:0")


def _write_weights(aws: AwsConfig, rule: Rule, wanted: Mapping[str, int], tag: str) -> None:
    """
    Write the weights, and read them back.

    The tags with the old and the new weight, and with the form before and after, come first: after
    a killed run, either of the two is known to be this tool's, and any other is somebody else's.
    """
    elb = client(aws, "elbv2")
    actions = weighted_forward(wanted)
    tags = tag_list({WEIGHTS: tag, **_forms_of_write(rule, actions)})
    elb.add_tags(ResourceArns=[rule.arn], Tags=tags)
    elb.modify_rule(RuleArn=rule.arn, Actions=actions)
    current = weights_of(read_rule(aws, rule.arn))
    if current != wanted:
        raise TrafficConflict(
            f"rule {rule.arn} has weights {current} right after {dict(wanted)} was written; find "
            "out what else writes them"
        )
