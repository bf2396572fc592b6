"""
A rule that no request matches, to which a target group can belong for a while.

ECS refuses to change a service whose target group no rule of a listener names. A monolith that is
to come back can be
there: all its own rules were handed over, and somebody has tidied the services'.
"""

from typing import Final

from config.aws import AwsConfig
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import CONFIG, MANAGED_BY, TOOL, tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.rule import delete_rule, read_rules
from tasks.elbv2.rule_matching import CONTROL, ROLE, Rule, free_priorities

__all__ = ["attach_target_group", "detach_target_group"]

_PATH: Final = "/.ecs-splitter/attachment"
_LAST: Final = 50_000
"""Priority of the lock."""


@aws_task("attach {target_group_arn} to the listener")
def attach_target_group(
    aws: AwsConfig, listener_arn: str, target_group_arn: str, split: str
) -> None:
    """
    See that some rule names the target group.

    Source: ELBv2 DescribeTargetGroups, DescribeRules, CreateRule.
    """
    elb = client(aws, "elbv2")
    group = elb.describe_target_groups(TargetGroupArns=[target_group_arn])["TargetGroups"][0]
    while not group["LoadBalancerArns"]:
        taken = [rule.priority for rule in read_rules(aws, listener_arn)]
        # More priorities than rules: one of them is free.
        free = free_priorities(taken, before=_LAST, after=_LAST - len(taken) - 2)
        try:
            elb.create_rule(
                ListenerArn=listener_arn,
                Priority=free[-1],
                Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [_PATH]}}],
                Actions=[{"Type": "forward", "TargetGroupArn": target_group_arn}],
                Tags=tag_list({MANAGED_BY: TOOL, CONFIG: split, ROLE: CONTROL}),
            )
        except elb.exceptions.PriorityInUseException:
            log().info("priority %d was taken in the meantime; looking for another", free[0])
            continue
        return


async def detach_target_group(aws: AwsConfig, rules: list[Rule], split: str) -> None:
    """
    Delete the rule again, once others name the target group; also one that a killed run has left.

    Args:
        aws: Where AWS is.
        rules: All rules of the listener.
        split: Name of the split.
    """
    for rule in rules:
        if rule.path_patterns == (_PATH,) and rule.tags.get(CONFIG) == split:
            await delete_rule(aws, rule.arn)
