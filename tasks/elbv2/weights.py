"""A path rule's way back to the monolith: at any time, and whoever wrote its weights last."""

from config.aws import AwsConfig
from config.errors import TrafficConflict
from tasks.aws.clients import client
from tasks.aws.tags import tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.rule import WEIGHTS, read_rule
from tasks.elbv2.rule_matching import Rule, weighted_forward, weights_of

__all__ = ["is_returned", "return_rule", "service_share"]


def service_share(rule: Rule, monolith_group: str, service_group: str | None) -> int | None:
    """
    The percentage of its requests that a path rule gives the service; None when somebody else has
    other plans for it.

    Args:
        rule: The path rule.
        monolith_group: ARN of the monolith's target group.
        service_group: ARN of the service's target group, where there is one.
    """
    weights = weights_of(rule)
    if not weights or any(
        weight for arn, weight in weights.items() if arn not in (monolith_group, service_group)
    ):
        return None
    share = 100 * weights.get(service_group or "", 0) / max(1, sum(weights.values()))
    # A share that is there is never told as none.
    return max(1, round(share)) if share else 0


def is_returned(rule: Rule, monolith_group: str) -> bool:
    """Whether every request of the rule goes to the monolith."""
    return {arn for arn, weight in weights_of(rule).items() if weight} == {monolith_group}


@aws_task("return {rule_arn} to the monolith")
def return_rule(aws: AwsConfig, rule_arn: str, monolith_group: str, service_group: str) -> None:
    """
    Give the monolith every request of a path rule, and read it back.

    A shift stops at weights that somebody else wrote; this goes on: whoever calls for the way back
    wants it from wherever the rule is.

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
    elb = client(aws, "elbv2")
    rule = read_rule(aws, rule_arn)
    share = service_share(rule, monolith_group, service_group)
    wanted = {monolith_group: 100, service_group: 0}
    if share is None:
        raise TrafficConflict(
            f"{rule.label} no longer shares its requests between the monolith and "
            f"{service_group}: somebody changed "
            "it; traffic stays as it is. Forward it to the two, or delete it, then run again"
        )
    if weights_of(rule) == wanted:
        return
    elb.add_tags(ResourceArns=[rule_arn], Tags=tag_list({WEIGHTS: f"{share}:0"}))
    elb.modify_rule(RuleArn=rule_arn, Actions=weighted_forward(wanted))
    held = weights_of(read_rule(aws, rule_arn))
    if held != wanted:
        raise TrafficConflict(
            f"rule {rule_arn} holds weights {held} right after {wanted} was written; look who "
            "else writes"
        )
