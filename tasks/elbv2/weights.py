"""The weights of a path rule: what the service gets, and how it is changed safely."""

from collections.abc import Mapping

from config.aws import AwsConfig
from config.errors import TrafficConflict
from tasks.aws.clients import client
from tasks.aws.tags import tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.path_rule import WEIGHTS
from tasks.elbv2.rule import read_rule
from tasks.elbv2.rule_matching import Rule, weighted_forward, weights_of

__all__ = [
    "check_unchanged",
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


def service_share(rule: Rule, monolith_group: str, service_group: str | None) -> int | None:
    """
    The percentage of its requests that a path rule gives the service.

    Args:
        rule: The path rule.
        monolith_group: ARN of the monolith's target group.
        service_group: ARN of the service's target group; None when it does not exist.

    Returns:
        The percentage; None when the rule does not forward, or sends requests to a third group.
    """
    weights = weights_of(rule)
    others = _receivers(rule) - {monolith_group, service_group}
    if others or not weights:
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
    Return the service's weight, if this tool wrote it.

    Raises:
        TrafficConflict: Somebody else changed the weights since the tool's last write.
    """
    weight = service_weight(rule, service_group)
    written = _written_weights(rule)
    if weight not in written:
        known = " or ".join(map(str, written)) or "none"
        raise TrafficConflict(
            f"{rule.label} gives the service {weight}%, but this tool last wrote {known}: "
            "somebody else changed it. Traffic stays as it is; set the weights back, or tag the "
            f"rule {WEIGHTS}={weight}:{weight} to accept them, then run again"
        )
    return weight


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
    before = check_unchanged(read_rule(aws, rule_arn), service_group)
    if before != weight:
        wanted = {monolith_group: 100 - weight, service_group: weight}
        _write_weights(aws, rule_arn, wanted, f"{before}:{weight}")
    return before


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
        _write_weights(aws, rule_arn, wanted, f"{share}:0")


def _write_weights(aws: AwsConfig, rule_arn: str, wanted: Mapping[str, int], tag: str) -> None:
    """
    Write the weights, and read them back.

    The tag with the old and the new weight comes first: after a killed run, either of the two is
    known to be this tool's, and any other is somebody else's.
    """
    elb = client(aws, "elbv2")
    tags = tag_list({WEIGHTS: tag})
    elb.add_tags(ResourceArns=[rule_arn], Tags=tags)
    elb.modify_rule(RuleArn=rule_arn, Actions=weighted_forward(wanted))
    current = weights_of(read_rule(aws, rule_arn))
    if current != wanted:
        raise TrafficConflict(
            f"rule {rule_arn} has weights {current} right after {dict(wanted)} was written; find "
            "out what else writes them"
        )
