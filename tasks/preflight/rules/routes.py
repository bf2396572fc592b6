"""
Whether the path patterns can be taken over: pure, from the config and the listener's rules.

ALB's own semantics decide who handles a pattern now: rules by priority, `*` and `?`, case, other
conditions, the default action. Only the monolith's requests may be moved.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from config.path_pattern import covers, matches, overlaps
from config.service import ServiceConfig
from config.split import SplitConfig
from tasks.aws.tags import Owner
from tasks.elbv2.path_rule import PathRule, desired_path_rules, desired_preview_rules
from tasks.elbv2.rule_matching import (
    CONTROL,
    PATH,
    PREVIEW,
    Rule,
    matching_rules,
    own_rules,
    receives,
    users_rules,
    weights_of,
)
from tasks.elbv2.rule_priority import place_rule
from tasks.elbv2.rules.form import stickiness_of
from tasks.preflight.finding import Finding

__all__ = ["Claim", "lint_overlaps", "lint_owners", "lint_patterns"]

_ANY_HEADER: Final = ("X-Split", "secret")
_WILDCARDS_PER_RULE: Final = 6
"""Source: "Quotas for your Application Load Balancers", condition wildcards per rule."""


@dataclass(frozen=True)
class Claim:
    """A service that is to take over its paths."""

    where: str
    """Its place in the config, e.g. `services[0]`."""
    service: ServiceConfig
    owner: Owner

    @property
    def patterns(self) -> tuple[str, ...]:
        """Its path patterns."""
        return self.service.path_patterns

    @property
    def path_rules(self) -> list[PathRule]:
        """The rules that it will have."""
        return desired_path_rules(self.patterns, self.owner)

    @property
    def all_rules(self) -> list[PathRule]:
        """Its path rules, and the preview and control rules while it is worked on."""
        rules = self.path_rules
        for role in (PREVIEW, CONTROL):
            rules += desired_preview_rules(self.patterns, self.owner, role, _ANY_HEADER)
        return rules

    def field(self, pattern: str) -> str:
        """The field that holds the pattern."""
        return f"{self.where}.path_patterns[{self.patterns.index(pattern)}]"


def lint_overlaps(config: SplitConfig) -> list[Finding]:
    """Find patterns of two services that match the same paths: chance would decide between them."""
    findings = []
    for one, pattern, other, rival in config.ambiguous_patterns():
        text = (
            f"{_field(config, one, pattern)}: {pattern!r} of {one.name} and {rival!r} of "
            f"{other.name} match the same paths{_for_example(pattern, rival)}; leave each path to "
            "one of the two services"
        )
        findings.append(Finding(text))
    return findings


def _field(config: SplitConfig, service: ServiceConfig, pattern: str) -> str:
    """The field of the config that holds a service's pattern."""
    place = config.services.index(service)
    position = service.path_patterns.index(pattern)
    return f"services[{place}].path_patterns[{position}]"


def _for_example(one: str, other: str) -> str:
    """A path that both match, where an obvious candidate does."""
    candidates = _simple_paths(one) + _simple_paths(other)
    for path in candidates:
        if matches(one, path) and matches(other, path):
            return f", e.g. {path}"
    return ""


def _simple_paths(pattern: str) -> list[str]:
    """Paths that the pattern probably matches."""
    path = pattern.replace("?", "x")
    return [path.replace("*", ""), path.replace("*", "x")]


def lint_patterns(claim: Claim, rules: Sequence[Rule], monolith_group: str) -> Iterator[Finding]:
    """Find patterns that probably mean something else, or that ELBv2 will refuse."""
    for pattern in claim.patterns:
        yield from _lint_bare_path(claim, pattern)
        yield from _lint_case(claim, pattern, rules, monolith_group)
        yield from _lint_covered(claim, pattern)
    for rule in claim.path_rules:
        yield from _lint_wildcards(claim, rule)


def _lint_bare_path(claim: Claim, pattern: str) -> Iterator[Finding]:
    """`/x/*` does not match `/x`, which most frameworks handle alike."""
    bare = pattern.removesuffix("/*")
    if bare in ("", pattern) or any(covers(own, bare) for own in claim.patterns):
        return
    yield Finding(
        f"{claim.field(pattern)}: {pattern!r} does not match {bare!r} itself, which stays where it "
        f"is; add {bare!r} if it belongs to the service",
        stops=False,
    )


def _lint_case(
    claim: Claim, pattern: str, rules: Sequence[Rule], monolith_group: str
) -> Iterator[Finding]:
    """A pattern that is within one of the monolith's only when case is ignored."""
    for rule in users_rules(rules):
        if not receives(rule, monolith_group):
            continue
        for own in rule.path_patterns:
            if covers(own.lower(), pattern.lower()) and not overlaps(own, pattern):
                yield Finding(
                    f"{claim.field(pattern)}: {pattern!r} differs from {own!r} of {rule.label} in "
                    "upper and lower case only, and to ALB these are different paths; write it as "
                    "clients do",
                    stops=False,
                )


def _lint_covered(claim: Claim, pattern: str) -> Iterator[Finding]:
    """A pattern that another one of the service makes redundant."""
    wider = _wider(claim, pattern)
    if wider is None:
        return
    position = claim.patterns.index
    if covers(pattern, wider) and position(pattern) < position(wider):
        return  # They match the same paths: the second one has the finding.
    yield Finding(
        f"{claim.field(pattern)}: {pattern!r} adds nothing to {wider!r}; take it out",
        stops=False,
    )


def _wider(claim: Claim, pattern: str) -> str | None:
    """Another pattern of the service that covers this one."""
    for other in claim.patterns:
        if other != pattern and covers(other, pattern):
            return other
    return None


def _lint_wildcards(claim: Claim, rule: PathRule) -> Iterator[Finding]:
    """Patterns that have too many wildcards for one rule."""
    patterns = ", ".join(map(repr, rule.patterns))
    wildcards = patterns.count("*") + patterns.count("?")
    if wildcards > _WILDCARDS_PER_RULE:
        yield Finding(
            f"{claim.where}.path_patterns: {patterns} share one rule with {wildcards} wildcards, "
            f"and ELBv2 allows {_WILDCARDS_PER_RULE}; put patterns with few wildcards between them"
        )


def lint_owners(
    claim: Claim, rules: Sequence[Rule], monolith: str, monolith_group: str
) -> Iterator[Finding]:
    """
    Find patterns whose requests the monolith does not handle now, or not all of them.

    Args:
        claim: The service that is to get them.
        rules: All rules of the listener.
        monolith: The monolith's name.
        monolith_group: ARN of its target group.
    """
    for desired in claim.path_rules:
        place = _place(claim, desired, rules, monolith_group)
        for pattern in desired.patterns:
            for answer in _answers(claim, pattern, rules):
                yield from answer.findings(monolith, monolith_group, place)


def _place(claim: Claim, desired: PathRule, rules: Sequence[Rule], monolith_group: str) -> int:
    """The priority that the claim's rule has, or must come before."""
    own = own_rules(rules, claim.owner, PATH)
    if desired.chunk in own:
        return own[desired.chunk].priority
    _, before = place_rule(list(rules), desired, monolith_group)
    return before


def _answers(claim: Claim, pattern: str, rules: Sequence[Rule]) -> Iterator["_Answer"]:
    """The rules of others that handle requests for a pattern."""
    own = own_rules(rules, claim.owner, PATH).values()
    handling = matching_rules(users_rules(rules), pattern)
    for rule in handling:
        if rule not in own:
            yield _Answer(claim, pattern, rule, whole=len(handling) == 1)


@dataclass(frozen=True)
class _Answer:
    """A rule of others that handles requests for a claimed pattern."""

    claim: Claim
    pattern: str
    rule: Rule
    whole: bool
    """Whether it handles all of the pattern's requests."""

    def findings(self, monolith: str, monolith_group: str, place: int) -> Iterator[Finding]:
        """
        What it means for the claim.

        Args:
            monolith: The monolith's name.
            monolith_group: ARN of its target group.
            place: Priority of the claim's own rule.
        """
        if len(self.rule.actions) > 1:
            yield self._does_more_than_forward()
        elif _receivers(self.rule) == {monolith_group}:
            yield from self._not_copied()
        elif self.rule.has_other_conditions and self.rule.priority < place:
            yield self._keeps_a_part()
        else:
            yield self._belongs_to_others(monolith)

    def _does_more_than_forward(self) -> Finding:
        """A rule that a path rule would not copy."""
        # Most often authentication: a path rule without it would make the path public, even at
        # weight 0.
        return Finding(
            f"{self._subject} is answered by {self.rule.label}, which does more than forward "
            f"({self.rule.actions[0]['Type']}), and a path rule would skip it; leave the path to "
            "the monolith"
        )

    def _not_copied(self) -> Iterator[Finding]:
        """What the monolith's rule does beside forwarding, which a path rule would not do."""
        for transform in self.rule.transforms:
            kind = transform.get("Type", "transform")
            yield Finding(
                f"{self._subject} is answered by {self.rule.label}, which rewrites requests "
                f"({kind}) before it forwards them, and a path rule would not; leave the path to "
                "the monolith, or remove the transform (`aws elbv2 modify-rule --rule-arn "
                f"{self.rule.arn} --reset-transforms`) once the monolith takes the URL as it comes"
            )
        if any(stickiness_of(action) is not None for action in self.rule.actions):
            yield Finding(
                f"{self._subject} is answered by {self.rule.label}, which has group stickiness, "
                "and a path rule has none, so that its weights are what users get; turn it off: "
                "TargetGroupStickinessConfig={Enabled=false} in the rule's forward action"
            )
        for name in self.rule.unknown:
            yield Finding(
                f"{self._subject} is answered by {self.rule.label}, whose attribute {name} this "
                "version does not understand, and a path rule would drop it; leave the path to the "
                "monolith, or remove the attribute"
            )

    def _keeps_a_part(self) -> Finding:
        """A rule that goes before the claim's own."""
        return Finding(
            f"{self._subject} is partly answered by {self._maker}, which has other conditions "
            "than the path and keeps its requests; check that this is intended",
            stops=False,
        )

    def _belongs_to_others(self, monolith: str) -> Finding:
        """A rule whose requests the claim would take over."""
        share = "answered" if self.whole else "partly answered"
        return Finding(
            f"{self._subject} is {share} by {self._maker}, not by {monolith}, and only the "
            "monolith's requests are moved; leave these paths out, or let that rule forward to "
            "the monolith alone"
        )

    @property
    def _subject(self) -> str:
        """The field and the pattern."""
        return f"{self.claim.field(self.pattern)}: {self.pattern!r}"

    @property
    def _maker(self) -> str:
        """The rule, and whose it is where its tags name a service."""
        rule = self.rule
        if rule.service is None:
            return rule.label
        return f"{rule.label} of service {rule.service} of split {rule.split!r}"


def _receivers(rule: Rule) -> set[str]:
    """Target groups that get requests; empty for an action of another kind."""
    weights = weights_of(rule)
    return {arn for arn in weights if weights[arn] > 0}
