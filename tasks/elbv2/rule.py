"""ELBv2 listener rules: the path rule that shares traffic, the preview rule, and the weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from config.errors import ResourceConflict, TrafficConflict
from tasks.aws.change import Change, Create, Update, compare_fields
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import MANAGED_BY, SERVICE, TOOL, Owner, tag_dict, tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.rule_matching import (
    DEFAULT_PRIORITY,
    PATH,
    ROLE,
    Rule,
    chunks,
    free_priorities,
    matching_rules,
    receives,
    users_rules,
    weighted_forward,
    weights_of,
)

__all__ = [
    "CHUNK",
    "WEIGHTS",
    "PathRule",
    "check_unchanged",
    "choose_priority",
    "compare_rule",
    "delete_rule",
    "desired_path_rules",
    "desired_preview_rules",
    "ensure_rule",
    "own_rules",
    "place_rule",
    "read_rule",
    "read_rules",
    "service_weight",
    "shift_weight",
]

CHUNK: Final = "split:chunk"
WEIGHTS: Final = "split:weights"
"""
Tag on a path rule: the service's weight before and after this tool's last write, e.g. `10:50`.
"""
VALUES_PER_RULE: Final = 5
_HEADER_VALUES: Final = 1
_TAGS_PER_CALL: Final = 20


@dataclass(frozen=True)
class PathRule:
    """One rule for at most five of a service's path patterns."""

    role: str
    chunk: int
    patterns: tuple[str, ...]
    owner: Owner
    header: tuple[str, str] | None = None

    @property
    def conditions(self) -> list[Any]:
        """The conditions in ELBv2's words."""
        found: list[Any] = [
            {"Field": "path-pattern", "PathPatternConfig": {"Values": list(self.patterns)}}
        ]
        if self.header:
            name, value = self.header
            found.append(
                {
                    "Field": "http-header",
                    "HttpHeaderConfig": {"HttpHeaderName": name, "Values": [value]},
                }
            )
        return found

    @property
    def tags(self) -> dict[str, str]:
        """The owner's tags, and which of its rules this is."""
        return {**self.owner.tags, ROLE: self.role, CHUNK: str(self.chunk)}


def desired_path_rules(patterns: tuple[str, ...], owner: Owner) -> list[PathRule]:
    """The rules that share the patterns' traffic between monolith and service."""
    parts = chunks(patterns, VALUES_PER_RULE)
    return [
        PathRule(role=PATH, chunk=index, patterns=part, owner=owner)
        for index, part in enumerate(parts)
    ]


def desired_preview_rules(
    patterns: tuple[str, ...], owner: Owner, role: str, header: tuple[str, str]
) -> list[PathRule]:
    """
    The rules that send requests with a private header one way alone.

    Args:
        patterns: The service's path patterns.
        owner: Whose they are.
        role: `PREVIEW` for the way to the service, `CONTROL` for the way to the monolith.
        header: Its name and secret value.
    """
    parts = chunks(patterns, VALUES_PER_RULE - _HEADER_VALUES)
    return [
        PathRule(role=role, chunk=index, patterns=part, owner=owner, header=header)
        for index, part in enumerate(parts)
    ]


def read_rules(aws: AwsConfig, listener_arn: str) -> list[Rule]:
    """
    All rules of the listener with their tags, by priority; the default rule last.

    Source: ELBv2 DescribeRules, DescribeTags.
    """
    elb = client(aws, "elbv2")
    pages = elb.get_paginator("describe_rules").paginate(ListenerArn=listener_arn)
    found: list[Any] = [rule for page in pages for rule in page["Rules"]]
    try:
        return sorted(_with_tags(aws, found), key=lambda rule: rule.priority)
    except elb.exceptions.RuleNotFoundException:
        # Another service's private rule went between the two calls.
        return read_rules(aws, listener_arn)


def _with_tags(aws: AwsConfig, found: Sequence[Any]) -> list[Rule]:
    elb = client(aws, "elbv2")
    arns = [rule["RuleArn"] for rule in found if not rule["IsDefault"]]
    tags: dict[str, dict[str, str]] = {}
    for start in range(0, len(arns), _TAGS_PER_CALL):
        answer = elb.describe_tags(ResourceArns=arns[start : start + _TAGS_PER_CALL])
        tags |= {item["ResourceArn"]: tag_dict(item["Tags"]) for item in answer["TagDescriptions"]}
    return [
        Rule(
            arn=rule["RuleArn"],
            priority=DEFAULT_PRIORITY if rule["IsDefault"] else int(rule["Priority"]),
            conditions=tuple(dict(condition) for condition in rule["Conditions"]),
            actions=tuple(dict(action) for action in rule["Actions"]),
            tags=tags.get(rule["RuleArn"], {}),
        )
        for rule in found
    ]


def own_rules(rules: list[Rule], owner: Owner, role: str) -> dict[int, Rule]:
    """
    The service's rules of a role, by chunk; with `adopt` also those of another split's service of
    that name.
    """
    return {
        int(rule.tags.get(CHUNK, "0")): rule
        for rule in rules
        if (owner.owns(rule.tags) or (owner.adopt and rule.tags.get(MANAGED_BY) == TOOL))
        and rule.tags.get(SERVICE) == owner.service
        and rule.tags.get(ROLE) == role
    }


def compare_rule(desired: PathRule, observed: Rule | None) -> Change:
    """What has to happen to the rule; its weights are a matter of the shift."""
    if observed is None:
        return Create()
    held = {
        "path-pattern": list(observed.path_patterns),
        "tags": {k: observed.tags.get(k) for k in desired.tags},
    }
    return compare_fields({"path-pattern": list(desired.patterns), "tags": desired.tags}, held)


def place_rule(rules: list[Rule], desired: PathRule, monolith_group: str) -> tuple[int, int]:
    """
    Between which priorities a new rule belongs.

    It has to win over whatever sends its paths to the monolith, a preview rule also over the
    service's own path rules, and nothing over what somebody else put before the monolith.

    Returns:
        The priority it must come after, and the one it must come before.
    """
    own = [rule for rule in own_rules(rules, desired.owner, PATH).values() if desired.role != PATH]
    others = [
        rule
        for rule in users_rules(rules)
        if rule not in own_rules(rules, desired.owner, PATH).values()
    ]
    matching = {
        rule.arn: rule for pattern in desired.patterns for rule in matching_rules(others, pattern)
    }.values()
    losers = [rule.priority for rule in matching if receives(rule, monolith_group)] + [
        rule.priority for rule in own
    ]
    before = min(losers, default=DEFAULT_PRIORITY)
    after = max((rule.priority for rule in matching if rule.priority < before), default=0)
    return after, before


def choose_priority(rules: list[Rule], desired: PathRule, monolith_group: str) -> int | None:
    """
    The priority for a new rule; None when none is free at its place.

    A path rule leaves room before it for its private rules, and some behind it for other people's;
    private rules, which go again, take what is next to it.
    """
    after, before = place_rule(rules, desired, monolith_group)
    free = free_priorities([rule.priority for rule in rules], before=before, after=after)
    if not free:
        return None
    return free[3 * len(free) // 4] if desired.role == PATH else free[-1]


@aws_task("ensure {desired.role} rule of {desired.owner.service}")
def ensure_rule(
    aws: AwsConfig,
    listener_arn: str,
    desired: PathRule,
    weights: Mapping[str, int],
    monolith_group: str,
) -> str:
    """
    Create the rule, or bring the one that is there into line; the weights of an existing path rule
    stay.

    Args:
        aws: Where AWS is.
        listener_arn: The listener.
        desired: The rule.
        weights: Weight by target group ARN for a new rule.
        monolith_group: ARN of the monolith's target group.

    Returns:
        The rule ARN.

    Raises:
        ResourceConflict: No priority is free at the rule's place.

    Source: ELBv2 CreateRule, ModifyRule, AddTags.
    """
    elb = client(aws, "elbv2")
    while True:
        rules = read_rules(aws, listener_arn)
        observed = own_rules(rules, desired.owner, desired.role).get(desired.chunk)
        if observed is not None:
            _update_rule(aws, observed, desired, weights)
            return observed.arn
        priority = choose_priority(rules, desired, monolith_group)
        if priority is None:
            after, before = place_rule(rules, desired, monolith_group)
            raise ResourceConflict(
                f"no rule priority is free between {after} and {before}: make room with "
                "`aws elbv2 set-rule-priorities`, then run again"
            )
        tags = desired.tags | ({WEIGHTS: "0:0"} if desired.role == PATH else {})
        try:
            made = elb.create_rule(
                ListenerArn=listener_arn,
                Priority=priority,
                Conditions=desired.conditions,
                Actions=weighted_forward(weights),
                Tags=tag_list(tags),
            )
        except elb.exceptions.PriorityInUseException:
            log().info("priority %d was taken in the meantime; looking for another", priority)
            continue
        return made["Rules"][0]["RuleArn"]


def _update_rule(
    aws: AwsConfig, observed: Rule, desired: PathRule, weights: Mapping[str, int]
) -> None:
    elb = client(aws, "elbv2")
    if desired.role != PATH:
        # An interrupted run's rule: its secret died with it, so it gets this run's.
        elb.modify_rule(
            RuleArn=observed.arn, Conditions=desired.conditions, Actions=weighted_forward(weights)
        )
        return
    change = compare_rule(desired, observed)
    if isinstance(change, Update):
        if "path-pattern" in change.fields:
            elb.modify_rule(RuleArn=observed.arn, Conditions=desired.conditions)
        elb.add_tags(ResourceArns=[observed.arn], Tags=tag_list(desired.tags))


@aws_task("delete rule {rule_arn}")
def delete_rule(aws: AwsConfig, rule_arn: str) -> None:
    """
    Delete the rule if it is still there.

    Source: ELBv2 DeleteRule.
    """
    elb = client(aws, "elbv2")
    try:
        elb.delete_rule(RuleArn=rule_arn)
    except elb.exceptions.RuleNotFoundException:
        log().info("rule %s is gone already", rule_arn)


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
            "stays as it is. "
            "Put the rule back or delete it, then run again"
        )
    return round(100 * weights[service_group] / total)


def check_unchanged(rule: Rule, service_group: str) -> int:
    """
    The service's weight, if it is one that this tool wrote.

    Raises:
        TrafficConflict: Somebody else changed the weights since our last write.
    """
    weight = service_weight(rule, service_group)
    written = {int(part) for part in rule.tags.get(WEIGHTS, "").split(":") if part}
    if weight not in written:
        known = " or ".join(str(value) for value in sorted(written)) or "none"
        raise TrafficConflict(
            f"{rule.label} gives the service {weight} %, but this tool last wrote {known}: "
            "somebody else changed it. "
            "Traffic stays as it is; set the weights back, or tag the rule "
            f"{WEIGHTS}={weight}:{weight} to accept them, then run again"
        )
    return weight


@aws_task("weight {weight} on {rule_arn}")
def shift_weight(
    aws: AwsConfig, rule_arn: str, monolith_group: str, service_group: str, weight: int
) -> int:
    """
    Give the service a share of the rule's requests, and read it back.

    The tag with the old and the new weight is written first: whichever of the two a killed run left
    behind is known to be ours, any other is somebody else's.

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
    elb = client(aws, "elbv2")
    before = check_unchanged(read_rule(aws, rule_arn), service_group)
    if before == weight:
        return before
    elb.add_tags(ResourceArns=[rule_arn], Tags=tag_list({WEIGHTS: f"{before}:{weight}"}))
    wanted = {monolith_group: 100 - weight, service_group: weight}
    elb.modify_rule(RuleArn=rule_arn, Actions=weighted_forward(wanted))
    held = weights_of(read_rule(aws, rule_arn))
    if held != wanted:
        raise TrafficConflict(
            f"rule {rule_arn} holds weights {held} right after {wanted} was written; look who "
            "else writes"
        )
    return before


def read_rule(aws: AwsConfig, rule_arn: str) -> Rule:
    """
    One rule with its tags.

    Raises:
        TrafficConflict: It is gone.

    Source: ELBv2 DescribeRules, DescribeTags.
    """
    elb = client(aws, "elbv2")
    try:
        return _with_tags(aws, elb.describe_rules(RuleArns=[rule_arn])["Rules"])[0]
    except elb.exceptions.RuleNotFoundException:
        raise TrafficConflict(
            f"rule {rule_arn} is gone: somebody deleted it. Run again to make it anew"
        ) from None
