"""
A rule that no request matches, which attaches a target group to the listener for a while.

ECS refuses to change a service whose target group is used by no listener rule. That can be the case
for a monolith that is restored: all its own rules were taken over, and the services' rules deleted.
"""

from typing import Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import CONFIG, MANAGED_BY, TOOL, tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.rule import delete_rule, read_rules
from tasks.elbv2.rule_matching import CONTROL, LAST_PRIORITY, ROLE, Rule, path_condition

__all__ = ["attach_target_group", "detach_target_group"]

_PATH: Final = "/.ecs-splitter/attachment"


@aws_task("attach {target_group_arn} to the listener")
def attach_target_group(
    aws: AwsConfig, listener_arn: str, target_group_arn: str, split: str
) -> None:
    """
    Make sure that some rule uses the target group.

    Source: ELBv2 DescribeTargetGroups, DescribeRules, CreateRule.
    """
    elb = client(aws, "elbv2")
    attached = _is_attached(aws, target_group_arn)
    while not attached:
        priority = _free_priority(read_rules(aws, listener_arn))
        try:
            _create_rule(aws, listener_arn, target_group_arn, split, priority)
            attached = True
        except elb.exceptions.PriorityInUseException:
            log().info("priority %d was taken in the meantime; trying another", priority)


def _is_attached(aws: AwsConfig, target_group_arn: str) -> bool:
    """Whether a rule uses the target group."""
    found = client(aws, "elbv2").describe_target_groups(TargetGroupArns=[target_group_arn])
    return bool(found["TargetGroups"][0]["LoadBalancerArns"])


def _free_priority(rules: list[Rule]) -> int:
    """The last free priority before the lock's: a listener has fewer rules than priorities."""
    taken = {rule.priority for rule in rules}
    priority = LAST_PRIORITY - 1
    while priority in taken:
        priority -= 1
    return priority


def _create_rule(
    aws: AwsConfig, listener_arn: str, target_group_arn: str, split: str, priority: int
) -> None:
    """Create the rule."""
    client(aws, "elbv2").create_rule(
        ListenerArn=listener_arn,
        Priority=priority,
        Conditions=[path_condition(_PATH)],
        Actions=[{"Type": "forward", "TargetGroupArn": target_group_arn}],
        Tags=tag_list({MANAGED_BY: TOOL, CONFIG: split, ROLE: CONTROL}),
    )


async def detach_target_group(aws: AwsConfig, rules: list[Rule], split: str) -> None:
    """
    Delete the rule once others use the target group, also one that a killed run has left.

    Args:
        aws: Where AWS is.
        rules: All rules of the listener.
        split: Name of the split.
    """
    for rule in rules:
        if _is_placeholder(rule, split):
            await delete_rule(aws, rule.arn)


def _is_placeholder(rule: Rule, split: str) -> bool:
    """Whether this split made the rule to attach a target group."""
    return rule.path_patterns == (_PATH,) and rule.tags.get(CONFIG) == split
