"""ELBv2 listener rules: the path rule that shares traffic, the preview and control rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.aws import AwsConfig
from config.errors import ResourceConflict, TrafficConflict
from tasks.aws.change import Change, Create, Update, compare_fields
from tasks.aws.clients import client
from tasks.aws.log import log
from tasks.aws.tags import Owner, tag_list
from tasks.aws.task import aws_task
from tasks.elbv2.rule_matching import (
    CONTROL,
    DEFAULT_PRIORITY,
    PATH,
    PREVIEW,
    ROLE,
    Rule,
    by_priority,
    chunks,
    free_priorities,
    matching_rules,
    receives,
    users_rules,
    weighted_forward,
)
from tasks.elbv2.tags import read_tags

__all__ = [
    "CHUNK",
    "WEIGHTS",
    "PathRule",
    "choose_priority",
    "compare_rule",
    "delete_rule",
    "desired_path_rules",
    "desired_preview_rules",
    "ensure_rule",
    "own_preview_rules",
    "own_rules",
    "path_condition",
    "place_rule",
    "read_rule",
    "read_rules",
]

CHUNK: Final = "split:chunk"
WEIGHTS: Final = "split:weights"
"""Tag on a path rule: the service's weight before and after the tool's last write, e.g. `10:50`."""
PATTERNS_PER_RULE: Final = 5
"""ELBv2 allows a rule five condition values."""
PATTERNS_PER_PREVIEW_RULE: Final = PATTERNS_PER_RULE - 1
"""Its header is a condition value too."""


@dataclass(frozen=True)
class PathRule:
    """One rule for at most five of a service's path patterns."""

    role: str
    chunk: int
    patterns: tuple[str, ...]
    owner: Owner
    header: tuple[str, str] | None = None
    """Name and value of the request header that it matches as well."""

    @property
    def conditions(self) -> list[Any]:
        """The conditions as ELBv2 takes them."""
        conditions = [path_condition(*self.patterns)]
        if self.header:
            conditions.append(_header_condition(*self.header))
        return conditions

    @property
    def tags(self) -> dict[str, str]:
        """The owner's tags, and which of its rules this is."""
        return {**self.owner.tags, ROLE: self.role, CHUNK: str(self.chunk)}

    @property
    def tags_when_created(self) -> dict[str, str]:
        """The tags of a new rule: a path rule begins at weight 0."""
        return {**self.tags, WEIGHTS: "0:0"} if self.role == PATH else self.tags


def path_condition(*patterns: str) -> Any:
    """The condition on the path, as ELBv2 takes it."""
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}}


def _header_condition(name: str, value: str) -> Any:
    """The condition on a request header, as ELBv2 takes it."""
    return {
        "Field": "http-header",
        "HttpHeaderConfig": {"HttpHeaderName": name, "Values": [value]},
    }


def desired_path_rules(patterns: tuple[str, ...], owner: Owner) -> list[PathRule]:
    """The rules that share the patterns' traffic between monolith and service."""
    numbered = enumerate(chunks(patterns, PATTERNS_PER_RULE))
    return [PathRule(PATH, chunk, part, owner) for chunk, part in numbered]


def desired_preview_rules(
    patterns: tuple[str, ...], owner: Owner, role: str, header: tuple[str, str]
) -> list[PathRule]:
    """
    The rules that send requests with a secret header to one target group only.

    Args:
        patterns: The service's path patterns.
        owner: Whose they are.
        role: `PREVIEW` for the service's target group, `CONTROL` for the monolith's.
        header: Its name and secret value.
    """
    numbered = enumerate(chunks(patterns, PATTERNS_PER_PREVIEW_RULE))
    return [PathRule(role, chunk, part, owner, header) for chunk, part in numbered]


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
        raise TrafficConflict(
            f"rule {rule_arn} is gone: somebody deleted it; run again to create a new one"
        ) from None


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
    )


def _priority(described: Any) -> int:
    """A rule's priority as a number."""
    if described["IsDefault"]:
        return DEFAULT_PRIORITY
    return int(described["Priority"])


def own_rules(rules: Iterable[Rule], owner: Owner, role: str) -> dict[int, Rule]:
    """
    The service's rules of a role, by chunk.

    With `adopt`, also the rules of another split's service of that name.
    """
    own = {}
    for rule in rules:
        if rule.role == role and _is_own(rule, owner):
            chunk = int(rule.tags.get(CHUNK, "0"))
            own[chunk] = rule
    return own


def own_preview_rules(rules: Iterable[Rule], owner: Owner) -> tuple[Rule, ...]:
    """The service's preview and control rules."""
    known = list(rules)
    preview = own_rules(known, owner, PREVIEW)
    control = own_rules(known, owner, CONTROL)
    found = [*preview.values(), *control.values()]
    return tuple(found)


def _is_own(rule: Rule, owner: Owner) -> bool:
    """Whether the rule is the service's."""
    if rule.service != owner.service:
        return False
    if owner.adopt and rule.is_made_by_this_tool:
        return True
    return owner.owns(rule.tags)


def compare_rule(desired: PathRule, observed: Rule | None) -> Change:
    """What has to happen to the rule, apart from its weights."""
    if observed is None:
        return Create()
    wanted = {
        "path-pattern": list(desired.patterns),
        "tags": desired.tags,
    }
    current = {
        "path-pattern": list(observed.path_patterns),
        "tags": observed.tags,
    }
    return compare_fields(wanted, current)


def place_rule(rules: list[Rule], desired: PathRule, monolith_group: str) -> tuple[int, int]:
    """
    Between which priorities a new rule belongs.

    It has to win over every rule that sends its paths to the monolith, a preview rule also over the
    service's own path rules. It must not win over what others put before the monolith.

    Returns:
        The priority it must come after, and the one it must come before.
    """
    own = own_rules(rules, desired.owner, PATH).values()
    others = [rule for rule in users_rules(rules) if rule not in own]
    matching = _matching_any(others, desired.patterns)
    losers = [rule for rule in matching if receives(rule, monolith_group)]
    if desired.role != PATH:
        losers += own
    before = min((rule.priority for rule in losers), default=DEFAULT_PRIORITY)
    after = max((rule.priority for rule in matching if rule.priority < before), default=0)
    return after, before


def _matching_any(rules: Sequence[Rule], patterns: Iterable[str]) -> list[Rule]:
    """The rules that can handle requests for any of the patterns."""
    found: list[Rule] = []
    for pattern in patterns:
        found += matching_rules(rules, pattern)
    return found


def choose_priority(rules: list[Rule], desired: PathRule, monolith_group: str) -> int | None:
    """
    The priority for a new rule; None when none is free at its place.

    A path rule leaves room before it for its preview and control rules, and some behind it for
    rules of others. Preview and control rules are temporary, and take what is next to it.
    """
    after, before = place_rule(rules, desired, monolith_group)
    taken = [rule.priority for rule in rules]
    free = free_priorities(taken, before=before, after=after)
    if not free:
        return None
    if desired.role != PATH:
        return free[-1]
    three_quarters = 3 * len(free) // 4
    return free[three_quarters]


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
        priority = _free_priority(rules, desired, monolith_group)
        try:
            return _create_rule(aws, listener_arn, desired, weights, priority)
        except elb.exceptions.PriorityInUseException:
            log().info("priority %d was taken in the meantime; trying another", priority)


def _free_priority(rules: list[Rule], desired: PathRule, monolith_group: str) -> int:
    """The priority for a new rule."""
    priority = choose_priority(rules, desired, monolith_group)
    if priority is None:
        after, before = place_rule(rules, desired, monolith_group)
        raise ResourceConflict(
            f"no rule priority is free between {after} and {before}: make room with "
            "`aws elbv2 set-rule-priorities`, then run again"
        )
    return priority


def _create_rule(
    aws: AwsConfig,
    listener_arn: str,
    desired: PathRule,
    weights: Mapping[str, int],
    priority: int,
) -> str:
    """Create the rule, and return its ARN."""
    made = client(aws, "elbv2").create_rule(
        ListenerArn=listener_arn,
        Priority=priority,
        Conditions=desired.conditions,
        Actions=weighted_forward(weights),
        Tags=tag_list(desired.tags_when_created),
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
        Actions=weighted_forward(weights),
    )


def _update_path_rule(aws: AwsConfig, observed: Rule, desired: PathRule) -> None:
    """Update conditions and tags, where they differ."""
    change = compare_rule(desired, observed)
    if not isinstance(change, Update):
        return
    elb = client(aws, "elbv2")
    if "path-pattern" in change.fields:
        elb.modify_rule(
            RuleArn=observed.arn,
            Conditions=desired.conditions,
        )
    tags = tag_list(desired.tags)
    elb.add_tags(ResourceArns=[observed.arn], Tags=tags)


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
