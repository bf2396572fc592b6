"""ELBv2 listener rules: the limits that AWS enforces on conditions, actions and target groups."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

from sandbox.api.errors import AwsError
from sandbox.api.internal import internal_client
from sandbox.elbv2 import stickiness

__all__ = [
    "check_default_actions",
    "check_new_rule",
    "check_rule_change",
    "check_rule_deletion",
    "load_balancer_of",
    "read_listeners",
    "regexes_of",
]

_RULES: Final = 100
_PAGE: Final = 400
_UNIQUE_TARGET_GROUPS: Final = 100
_TARGET_GROUPS_PER_ACTION: Final = 5
_CONDITION_VALUES: Final = 5
_CONDITION_WILDCARDS: Final = 6
_WEIGHTS: Final = range(1000)
_ONCE: Final = ("http-request-method", "host-header", "path-pattern", "source-ip")
_CONFIGS: Final = (
    *("HostHeaderConfig", "HttpHeaderConfig", "HttpRequestMethodConfig"),
    *("PathPatternConfig", "QueryStringConfig", "SourceIpConfig"),
)
_PATH: Final = re.compile(r"""[A-Za-z0-9_\-.$/~"'@:+&*?]*""")
_SERVED_ACTIONS: Final = ("fixed-response", "forward", "redirect")


def check_new_rule(endpoint_url: str, parameters: dict[str, Any]) -> None:
    """Source: CreateRule; "Quotas for your Application Load Balancers", rules."""
    _check_conditions(parameters)
    _check_actions(endpoint_url, parameters["Actions"])
    arn = load_balancer_of(parameters["ListenerArn"])
    rules = list(_read_rules(endpoint_url, arn))
    if sum(not rule["IsDefault"] for rule in rules) >= _RULES:
        raise AwsError(
            "TooManyRules", f"The maximum number of rules on load balancer '{arn}' has been reached"
        )
    _check_target_groups(endpoint_url, arn, parameters["Actions"], rules)


def check_rule_change(endpoint_url: str, parameters: dict[str, Any]) -> None:
    """Source: ModifyRule."""
    rule = _read_rule(endpoint_url, parameters["RuleArn"], "modified")
    _check_conditions(parameters)
    actions = parameters.get("Actions", [])
    _check_actions(endpoint_url, actions)
    if _target_groups(actions) <= _target_groups(rule["Actions"]):
        return  # the most frequent change is one of weights, which concerns no quota
    listener = parameters["RuleArn"].rpartition("/")[0].replace(":listener-rule/", ":listener/")
    arn = load_balancer_of(listener)
    others = [one for one in _read_rules(endpoint_url, arn) if one["RuleArn"] != rule["RuleArn"]]
    _check_target_groups(endpoint_url, arn, actions, others)


def check_default_actions(
    endpoint_url: str, load_balancer_arn: str, actions: list[dict[str, Any]]
) -> None:
    """Source: CreateListener, ModifyListener."""
    _check_actions(endpoint_url, actions)
    _check_target_groups(
        endpoint_url, load_balancer_arn, actions, list(_read_rules(endpoint_url, load_balancer_arn))
    )


def check_rule_deletion(endpoint_url: str, parameters: dict[str, Any]) -> None:
    """
    Refuse a rule that does not exist (moto accepts it) or that is a listener's default.

    Source: DeleteRule.
    """
    _read_rule(endpoint_url, parameters["RuleArn"], "deleted")


def _read_rule(endpoint_url: str, arn: str, verb: str) -> dict[str, Any]:
    elb = internal_client(endpoint_url, "elbv2")
    try:
        rule: dict[str, Any] = elb.describe_rules(RuleArns=[arn])["Rules"][0]
    except elb.exceptions.RuleNotFoundException:
        raise AwsError("RuleNotFound", "One or more rules not found") from None
    if rule["IsDefault"]:
        raise AwsError("OperationNotPermitted", f"Default rule '{arn}' cannot be {verb}")
    return rule


def load_balancer_of(listener_arn: str) -> str:
    """ARN of the load balancer that the listener belongs to."""
    return listener_arn.rpartition("/")[0].replace(":listener/", ":loadbalancer/")


def read_listeners(endpoint_url: str, load_balancer_arn: str) -> list[dict[str, Any]]:
    """The listeners of a load balancer; none when there is no such load balancer."""
    elb = internal_client(endpoint_url, "elbv2")
    pages = elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=load_balancer_arn)
    try:
        return list(pages.search("Listeners[]"))
    except elb.exceptions.LoadBalancerNotFoundException:
        return []


def _read_rules(endpoint_url: str, load_balancer_arn: str) -> Iterator[dict[str, Any]]:
    pages = internal_client(endpoint_url, "elbv2").get_paginator("describe_rules")
    for listener in read_listeners(endpoint_url, load_balancer_arn):
        for page in pages.paginate(ListenerArn=listener["ListenerArn"], PageSize=_PAGE):
            yield from page["Rules"]


def _check_conditions(parameters: dict[str, Any]) -> None:
    if "Transforms" in parameters:
        raise AwsError(
            "NotImplemented",
            "This sandbox's load balancer has no transforms: leave Transforms out",
            501,
        )
    conditions = parameters.get("Conditions", [])
    fields = [condition.get("Field") for condition in conditions]
    for field in _ONCE:
        if fields.count(field) > 1:
            raise AwsError("ValidationError", f"A rule can only have one '{field}' condition")
    _check_values(
        list(chain.from_iterable(map(_values, conditions))),
        list(chain.from_iterable(map(regexes_of, conditions))),
    )
    for condition in conditions:
        if condition.get("Field") == "path-pattern":
            _check_path_patterns(condition)


def _check_values(values: list[str], regexes: list[str]) -> None:
    for regex in regexes:
        _check_regex(regex)
    if len(values) + len(regexes) > _CONDITION_VALUES:
        raise AwsError(
            "ValidationError",
            f"A rule can only have '{_CONDITION_VALUES}' condition values and regex values",
        )
    if sum(value.count("*") + value.count("?") for value in values) > _CONDITION_WILDCARDS:
        raise AwsError(
            "ValidationError", f"A rule can only have '{_CONDITION_WILDCARDS}' condition wildcards"
        )


def _check_regex(regex: str) -> None:
    try:
        re.compile(regex)
    except re.error as error:
        raise AwsError("ValidationError", f"The regex '{regex}' is not valid: {error}") from None


def regexes_of(condition: Mapping[str, Any]) -> list[str]:
    """The regular expressions of a condition, in either form."""
    settings = [condition, *(condition.get(config) or {} for config in _CONFIGS)]
    return list(chain.from_iterable(one.get("RegexValues") or () for one in settings))


def _values(condition: dict[str, Any]) -> list[str]:
    settings = [condition, *(condition.get(config, {}) for config in _CONFIGS)]
    values = chain.from_iterable(one.get("Values", []) for one in settings)
    return [value if isinstance(value, str) else _query_pair(value) for value in values]


def _query_pair(pair: dict[str, str]) -> str:
    return f"{pair.get('Key', '')}={pair.get('Value', '')}"


def _check_path_patterns(condition: dict[str, Any]) -> None:
    for pattern in _values(condition):
        if not _PATH.fullmatch(pattern):
            raise AwsError(
                "ValidationError",
                f"The path pattern '{pattern}' contains a character that is not valid",
            )


def _check_actions(endpoint_url: str, actions: list[dict[str, Any]]) -> None:
    for action in actions:
        if action["Type"] not in _SERVED_ACTIONS:
            raise AwsError(
                "NotImplemented",
                f"This sandbox's load balancer has no action {action['Type']}: use "
                f"{', '.join(_SERVED_ACTIONS)}",
                501,
            )
        _check_forward(action)
        stickiness.check_forward(endpoint_url, action)


def _check_target_groups(
    endpoint_url: str,
    load_balancer_arn: str,
    actions: list[dict[str, Any]],
    other_rules: list[dict[str, Any]],
) -> None:
    wanted = _target_groups(actions)
    used: set[str] = set()
    for rule in other_rules:
        used |= _target_groups(rule["Actions"])
    if len(used | wanted) > _UNIQUE_TARGET_GROUPS:
        raise AwsError(
            "TooManyUniqueTargetGroupsPerLoadBalancer",
            "You have reached the maximum number of unique target groups that you can associate "
            f"with a load balancer of type 'application': [{_UNIQUE_TARGET_GROUPS}]",
        )
    _check_association(endpoint_url, load_balancer_arn, sorted(wanted - used))


def _check_forward(action: dict[str, Any]) -> None:
    groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
    if len(groups) > _TARGET_GROUPS_PER_ACTION:
        raise AwsError(
            "ValidationError",
            f"A forward action can only have '{_TARGET_GROUPS_PER_ACTION}' target groups",
        )
    for group in groups:
        if group.get("Weight", 1) not in _WEIGHTS:
            raise AwsError(
                "ValidationError",
                f"The weight '{group['Weight']}' of target group '{group['TargetGroupArn']}' "
                "must be between 0 and 999",
            )


def _target_groups(actions: list[dict[str, Any]]) -> set[str]:
    found = set()
    for action in actions:
        groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
        found |= {one["TargetGroupArn"] for one in (action, *groups) if "TargetGroupArn" in one}
    return found


def _check_association(
    endpoint_url: str, load_balancer_arn: str, target_group_arns: list[str]
) -> None:
    """A target group can be used by one load balancer."""
    elb = internal_client(endpoint_url, "elbv2")
    for arn in target_group_arns:
        try:
            group = elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]
        except elb.exceptions.TargetGroupNotFoundException:
            continue  # moto refuses it as AWS does
        if set(group.get("LoadBalancerArns", [])) - {load_balancer_arn}:
            raise AwsError(
                "TargetGroupAssociationLimit",
                "The following target groups cannot be associated with more than one load "
                f"balancer: {arn}",
            )
