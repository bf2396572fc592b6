"""Listener rules: those that a service needs, and which service gets the requests of each path."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

from config.errors import TrafficConflict
from config.path_pattern import covers
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.change import PlannedChange
from tasks.aws.change import UNKNOWN, Change, Conflict, Create
from tasks.aws.tags import Owner
from tasks.elbv2.rule import PathRule, compare_rule, desired_path_rules, desired_preview_rules
from tasks.elbv2.rule_matching import (
    CONTROL,
    PATH,
    PREVIEW,
    ROLE,
    Rule,
    matching_rules,
    users_rules,
    weights_of,
)
from tasks.elbv2.rules.edits import edit_text
from tasks.elbv2.rules.precedence import overtaken
from tasks.elbv2.weights import check_weights, service_weight
from tasks.state.service import ServiceState

__all__ = ["PathOwners", "RouteAnswer", "ServiceRoutes", "path_owners"]

Names: TypeAlias = Mapping[str, str]
"""Service by target group ARN."""


@dataclass(frozen=True)
class ServiceRoutes:
    """The listener rules of one service as the config wants them, against those that it has."""

    config: SplitConfig
    service: ServiceConfig
    owner: Owner
    state: ServiceState
    monolith_group: str = UNKNOWN
    """ARN of the monolith's target group."""

    def path_rules(self) -> list[PlannedChange]:
        """The rules that share its traffic, and conflicts for paths that may not be added."""
        changes = [
            PlannedChange("listener rule", ", ".join(rule.patterns), self._path_rule(rule))
            for rule in self._desired_rules()
        ]
        for path in self._unproven_paths():
            conflict = _unproven(self.service, path)
            changes.append(PlannedChange("listener rule", path, conflict))
        return changes

    def _desired_rules(self) -> list[PathRule]:
        return desired_path_rules(self.service.path_patterns, self.owner)

    def _held_rules(self) -> dict[int, Rule]:
        """By chunk."""
        return self.state.path_rules(self.owner)

    def _path_rule(self, desired: PathRule) -> Change:
        held = self._held_rules().get(desired.chunk)
        if held is None:
            return compare_rule(desired, held)
        try:
            check_weights(held, self._target_group)
        except TrafficConflict as error:
            return Conflict(str(error))
        reason = overtaken(held, self.state.rules, self.monolith_group)
        if reason:
            return Conflict(reason)
        return compare_rule(desired, held)

    @property
    def _target_group(self) -> str:
        return self.state.target_group_arn or UNKNOWN

    def _unproven_paths(self) -> list[str]:
        """New paths of a service that has users: a rule's paths share its weights."""
        return _new_paths(self.service, self._held_rules()) if self._has_users() else []

    def _has_users(self) -> bool:
        rules = self._held_rules().values()
        return any(self._weight_of(rule) for rule in rules)

    def _weight_of(self, rule: Rule | None) -> int:
        """What a rule gives the service, in percent; 0 where somebody else has changed it."""
        if rule is None:
            return 0
        try:
            return service_weight(rule, self._target_group)
        except TrafficConflict:
            return 0

    def weight(self) -> int:
        """
        Percent of its paths' requests that the service gets now.

        A rule that is missing gives it nothing, unless all its paths are new: these are a conflict,
        and do not take anything from the service.
        """
        held = self._held_rules()
        unproven = set(self._unproven_paths())
        weights = []
        for rule in self._desired_rules():
            is_new = rule.chunk not in held and unproven.issuperset(rule.patterns)
            if not is_new:
                weights.append(self._weight_of(held.get(rule.chunk)))
        return min(weights, default=0)

    def steps(self, weight: int) -> tuple[int, ...]:
        """
        The weights that traffic will be shifted to.

        Args:
            weight: The weight now.
        """
        if weight == 100:
            return ()
        traffic = self.config.traffic_of(self.service)
        weights = [step.weight for step in traffic.shift.steps()]
        return tuple(step for step in weights if step >= weight)

    def preview_rules(self, steps: Sequence[int]) -> list[PlannedChange]:
        """
        The rules of the run itself, also those that a killed run has left.

        Args:
            steps: The traffic steps.
        """
        left = self.state.preview_rules(self.owner)
        open_rules = [rule for rule in left if not _is_secret(rule)]
        if open_rules:
            return [_open_to_users(rule) for rule in open_rules]
        return self.temporary_rules() if steps or left else []

    def temporary_rules(self) -> list[PlannedChange]:
        """The preview rules, and the control rules to compare them with."""
        return [*self._rules_of_a_role(PREVIEW), *self._rules_of_a_role(CONTROL)]

    def _rules_of_a_role(self, role: str) -> list[PlannedChange]:
        rules = desired_preview_rules(
            self.service.path_patterns,
            self.owner,
            role,
            header=("", ""),
        )
        names = [", ".join(rule.patterns) for rule in rules]
        return [PlannedChange(f"{role} rule", name, Create(), temporary=True) for name in names]


def _is_secret(rule: Rule) -> bool:
    """Whether a preview or control rule matches only requests with a header."""
    return any(condition.header for condition in rule.conditions_read)


def _open_to_users(rule: Rule) -> PlannedChange:
    """A preview or control rule that somebody has taken the header condition from."""
    reason = (
        f"{edit_text(rule, 'no condition on a header, so it takes requests of users')}; delete it "
        f"with `aws elbv2 delete-rule --rule-arn {rule.arn}`, then run again"
    )
    return PlannedChange(f"{rule.role} rule", rule.label, Conflict(reason))


def _new_paths(service: ServiceConfig, held: Mapping[int, Rule]) -> list[str]:
    """The service's paths that none of its rules has yet."""
    owned: list[str] = []
    for rule in held.values():
        owned += rule.path_patterns
    return [path for path in service.path_patterns if not _is_covered(path, owned)]


def _is_covered(path: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns takes every request for the path."""
    return any(covers(pattern, path) for pattern in patterns)


def _unproven(service: ServiceConfig, path: str) -> Conflict:
    return Conflict(
        f"services.{service.name}.path_patterns: {path!r} is new, and {service.name} has users "
        "already, so the path would move before it is proven; roll the service back first: "
        f"`python -m flows.rollback CONFIG --only {service.name}`",
        by_config=True,
    )


class _Route(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class RouteAnswer(_Route):
    """One rule that requests for a path can meet."""

    rule: str
    """For example `rule 99 (/api*)` or `the default action`."""
    shares: dict[str, int]
    """
    Percent of its requests by recipient: a service's name, another target group's, or the action of
    a rule that does not forward.
    """
    only_some: bool
    """
    Whether it takes only some of the path's requests: those of a longer path, of one host, with a
    header, …
    """


class PathOwners(_Route):
    """The rules for one path pattern."""

    path: str
    """Path pattern, `*` for the default action."""
    wanted: str | None
    """The service of the config that is to get it; null for other paths."""
    answers: tuple[RouteAnswer, ...]
    """
    In the order in which the load balancer tries them; the last one takes what the others leave.
    """


def path_owners(wanted: Mapping[str, str], rules: Sequence[Rule], names: Names) -> list[PathOwners]:
    """
    The rules for each pattern of the config, then each other rule of the listener.

    Args:
        wanted: Service by path pattern.
        rules: All rules of the listener.
        names: Service by target group ARN.
    """
    public = users_rules(rules)
    owned = [
        PathOwners(
            path=pattern,
            wanted=service,
            answers=_answers(matching_rules(public, pattern), names),
        )
        for pattern, service in wanted.items()
    ]
    others = [rule for rule in public if rule.tags.get(ROLE) != PATH]
    others.sort(key=lambda rule: rule.priority)
    return owned + [_other_rule(rule, names) for rule in others]


def _other_rule(rule: Rule, names: Names) -> PathOwners:
    answer = _answer(rule, names, only_some=rule.has_other_conditions)
    return PathOwners(
        path=", ".join(rule.path_patterns),
        wanted=None,
        answers=(answer,),
    )


def _answers(rules: Sequence[Rule], names: Names) -> tuple[RouteAnswer, ...]:
    """The last rule takes all requests that the others leave."""
    return tuple(_answer(rule, names, only_some=rule is not rules[-1]) for rule in rules)


def _answer(rule: Rule, names: Names, *, only_some: bool) -> RouteAnswer:
    return RouteAnswer(
        rule=rule.label,
        shares=_shares(rule, names) or {_other_action(rule): 100},
        only_some=only_some,
    )


def _shares(rule: Rule, names: Names) -> dict[str, int]:
    """Percent of a rule's requests by recipient; empty when it sends them to no target group."""
    weights = weights_of(rule)
    total = sum(weights.values())
    shares: Counter[str] = Counter()
    for arn, weight in weights.items():
        if weight == 0:
            continue
        name = names.get(arn) or _target_group_name(arn)
        percent = round(100 * weight / total)
        shares[name] += percent
    return dict(shares)


def _target_group_name(arn: str) -> str:
    """From `arn:…:targetgroup/NAME/ID`."""
    parts = arn.split("/")
    if len(parts) < 2:
        return arn
    return f"target group {parts[1]}"


def _other_action(rule: Rule) -> str:
    """What a rule does that sends its requests to no target group."""
    if not rule.actions:
        return "nothing"
    action: Mapping[str, Any] = rule.actions[-1]
    match action["Type"]:
        case "fixed-response":
            return f"fixed response {action['FixedResponseConfig']['StatusCode']}"
        case "redirect":
            return "redirect"
        case "forward":
            return "nobody"
        case other:
            return str(other)
