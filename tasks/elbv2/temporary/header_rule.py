"""
A rule that answers whatever has a secret header, on any path: it shows whether the header arrives.

No user's request has the header, so the rule may come before all others.
"""

from collections.abc import Iterable
from typing import Final

from config.aws import AwsConfig
from config.errors import ResourceConflict
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import Owner, tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.path_rule import nonce_response
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import (
    CHUNK,
    CONTROL,
    LAST_PRIORITY,
    ROLE,
    Rule,
    free_priorities,
    header_condition,
)

__all__ = ["create_header_rule", "left_header_rules"]

_CHUNK: Final = "999"
"""No service has so many control rules: a listener has at most 100."""


@aws_task("create the rule that tests the header")
def create_header_rule(
    aws: AwsConfig, listener_arn: str, owner: Owner, header: tuple[str, str], nonce: str
) -> str:
    """
    Create the rule before every other rule.

    Args:
        aws: Where AWS is.
        listener_arn: The listener.
        owner: A service whose control rules it goes with: what a killed run leaves is removed
            with them.
        header: Name and secret value of the request header.
        nonce: The body of its response.

    Returns:
        The rule ARN.

    Raises:
        ResourceConflict: The listener has no free priority.

    Source: ELBv2 CreateRule.
    """
    elb = client(aws, "elbv2")
    while True:
        priority = _first_free_priority(read_rules(aws, listener_arn))
        try:
            made = elb.create_rule(
                ListenerArn=listener_arn,
                Priority=priority,
                Conditions=[header_condition(*header)],
                Actions=nonce_response(nonce),
                Tags=tag_list({**owner.tags, ROLE: CONTROL, CHUNK: _CHUNK}),
            )
            return made["Rules"][0]["RuleArn"]
        except elb.exceptions.PriorityInUseException:
            log().info("priority %d was taken in the meantime; trying another", priority)


def _first_free_priority(rules: Iterable[Rule]) -> int:
    taken = [rule.priority for rule in rules]
    free = free_priorities(taken, before=LAST_PRIORITY)
    if not free:
        raise ResourceConflict("the listener has no free rule priority; delete a rule first")
    return free[0]


def left_header_rules(rules: Iterable[Rule], split: str) -> list[Rule]:
    """The rules of this kind that killed runs of a split have left."""
    return [rule for rule in rules if _is_header_rule(rule, split)]


def _is_header_rule(rule: Rule, split: str) -> bool:
    is_own = rule.is_made_by_this_tool and rule.split == split
    return is_own and rule.role == CONTROL and rule.tags.get(CHUNK) == _CHUNK
