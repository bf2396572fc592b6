"""Who answers each path of a listener now: pure, from its rules."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks.elbv2.rule_matching import PATH, ROLE, Rule, matching_rules, users_rules, weights_of

__all__ = ["PathOwners", "RouteAnswer", "path_owners"]


class _Path(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class RouteAnswer(_Path):
    """One rule that answers requests for a path."""

    rule: str
    """For example `rule 99 (/api*)` or `the default action`."""
    shares: dict[str, int]
    """
    Percent of its requests by who gets them: a service's name, another target group's, or what the
    rule does.
    """
    only_some: bool
    """
    Whether it takes only some of the path's requests: those of a longer path, of one host, with a
    header, …
    """


class PathOwners(_Path):
    """Who answers one path pattern."""

    path: str
    """Path pattern, `*` for whatever no rule takes."""
    wanted: str | None
    """The service of the config that it is meant for; null for other paths."""
    answers: tuple[RouteAnswer, ...]
    """
    In the order in which the load balancer tries them; the last one takes what the others leave.
    """


def path_owners(
    wanted: Mapping[str, str], rules: Sequence[Rule], names: Mapping[str, str]
) -> list[PathOwners]:
    """
    Who answers each pattern of the config, each further rule of the listener, and everything else.

    Args:
        wanted: Service by path pattern.
        rules: All rules of the listener.
        names: Service by target group ARN.
    """
    public = users_rules(rules)
    found = [
        PathOwners(
            path=pattern, wanted=service, answers=_answers(matching_rules(public, pattern), names)
        )
        for pattern, service in wanted.items()
    ]
    for rule in sorted(public, key=lambda rule: rule.priority):
        if rule.tags.get(ROLE) != PATH:
            path = ", ".join(rule.path_patterns)
            found.append(
                PathOwners(
                    path=path, wanted=None, answers=(_answer(rule, names, only_some=_asks(rule)),)
                )
            )
    return found


def _asks(rule: Rule) -> bool:
    return rule.has_other_conditions


def _answers(rules: Sequence[Rule], names: Mapping[str, str]) -> tuple[RouteAnswer, ...]:
    last = len(rules) - 1
    return tuple(_answer(rule, names, only_some=number < last) for number, rule in enumerate(rules))


def _answer(rule: Rule, names: Mapping[str, str], *, only_some: bool) -> RouteAnswer:
    weights = weights_of(rule)
    total = sum(weights.values())
    shares: dict[str, int] = {}
    for arn, weight in weights.items():
        if weight:
            name = names.get(arn) or _target_group_name(arn)
            shares[name] = shares.get(name, 0) + round(100 * weight / total)
    return RouteAnswer(
        rule=rule.label, shares=shares or {_other_action(rule): 100}, only_some=only_some
    )


def _target_group_name(arn: str) -> str:
    """From `arn:…:targetgroup/NAME/ID`."""
    return f"target group {arn.split('/')[1]}" if "/" in arn else arn


def _other_action(rule: Rule) -> str:
    """What a rule does that forwards to nobody."""
    action: Mapping[str, Any] = rule.actions[-1] if rule.actions else {"Type": "nothing"}
    match action["Type"]:
        case "fixed-response":
            return f"fixed response {action['FixedResponseConfig']['StatusCode']}"
        case "redirect":
            return "redirect"
        case "forward":
            return "nobody"
        case other:
            return str(other)
