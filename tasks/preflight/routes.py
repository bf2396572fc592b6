"""
Whether the path patterns can be taken over: pure, from the config and the listener's rules.

Whose traffic a pattern is now is told by ALB's own semantics: rules by priority, `*` and `?`, case,
other conditions, the default action. Nothing is to be taken from anybody but the monolith.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from config.path_pattern import covers, matches, overlaps
from config.service import ServiceConfig
from config.split import SplitConfig
from tasks.aws.tags import CONFIG, SERVICE, Owner
from tasks.elbv2.rule import (
    PathRule,
    choose_priority,
    desired_path_rules,
    desired_preview_rules,
    own_rules,
    place_rule,
)
from tasks.elbv2.rule_matching import (
    CONTROL,
    LOCK,
    PATH,
    PREVIEW,
    ROLE,
    Rule,
    matching_rules,
    receives,
    users_rules,
    weighted_forward,
    weights_of,
)
from tasks.preflight.finding import Finding

__all__ = ["Claim", "lint_overlaps", "lint_owners", "lint_patterns", "lint_priorities"]

_WILDCARDS_PER_RULE: Final = 6
"""Source: "Quotas for your Application Load Balancers", condition wildcards per rule."""
_LOCK_PRIORITY: Final = 50_000
_LOCK_RULE: Final = Rule("planned/lock", _LOCK_PRIORITY, (), (), {ROLE: LOCK})


@dataclass(frozen=True)
class Claim:
    """A service that has yet to get its paths."""

    where: str
    """Its place in the config, e.g. `services[0]`."""
    service: ServiceConfig
    owner: Owner

    def field(self, pattern: str) -> str:
        """The field that holds the pattern."""
        return f"{self.where}.path_patterns[{self.service.path_patterns.index(pattern)}]"


def lint_overlaps(config: SplitConfig) -> list[Finding]:
    """
    Different patterns of two services that some path matches both of: who would answer it is left
    to chance.
    """
    places = {service.name: f"services[{index}]" for index, service in enumerate(config.services)}
    return [
        Finding(
            f"{places[one.name]}.path_patterns[{one.path_patterns.index(pattern)}]: {pattern!r} "
            f"of {one.name} and "
            f"{rival!r} of {other.name} match the same paths{_for_example(pattern, rival)}; "
            "leave each path to one of "
            "the two services"
        )
        for one, pattern, other, rival in config.ambiguous_patterns()
    ]


def _for_example(one: str, other: str) -> str:
    """A path that both match, where the obvious candidates hold one."""
    candidates = [
        pattern.replace("*", filling).replace("?", "x")
        for pattern in (one, other)
        for filling in ("", "x")
    ]
    found = next((path for path in candidates if matches(one, path) and matches(other, path)), None)
    return f", e.g. {found}" if found else ""


def lint_patterns(claim: Claim, rules: Sequence[Rule], monolith_group: str) -> Iterator[Finding]:
    """Patterns that probably mean something else, or that ELBv2 will refuse."""
    patterns = claim.service.path_patterns
    for pattern in patterns:
        yield from _lint_bare(claim, pattern)
        yield from _lint_case(claim, pattern, rules, monolith_group)
        wider = next((one for one in patterns if one != pattern and covers(one, pattern)), None)
        if wider and not (
            covers(pattern, wider) and patterns.index(pattern) < patterns.index(wider)
        ):
            yield Finding(
                f"{claim.field(pattern)}: {pattern!r} adds nothing to {wider!r} beside it; take "
                "it out",
                stops=False,
            )
    for rule in desired_path_rules(patterns, claim.owner):
        wild = sum(pattern.count("*") + pattern.count("?") for pattern in rule.patterns)
        if wild > _WILDCARDS_PER_RULE:
            yield Finding(
                f"{claim.where}.path_patterns: {', '.join(map(repr, rule.patterns))} come into "
                f"one rule with {wild} "
                f"wildcards, and ELBv2 takes {_WILDCARDS_PER_RULE}; put patterns with few "
                "wildcards between them"
            )


def _lint_bare(claim: Claim, pattern: str) -> Iterator[Finding]:
    """`/x/*` does not match `/x`, which most frameworks answer alike."""
    bare = pattern.removesuffix("/*")
    if (
        not bare
        or not pattern.endswith("/*")
        or any(covers(one, bare) for one in claim.service.path_patterns)
    ):
        return
    yield Finding(
        f"{claim.field(pattern)}: {pattern!r} does not match {bare!r} itself, which stays where "
        f"it is; add {bare!r} if "
        "it belongs to the service",
        stops=False,
    )


def _lint_case(
    claim: Claim, pattern: str, rules: Sequence[Rule], monolith_group: str
) -> Iterator[Finding]:
    """
    A pattern that would lie within one of the monolith's if ALB did not tell
    upper from lower case.
    """
    for rule in users_rules(rules):
        for own in rule.path_patterns:
            if (
                receives(rule, monolith_group)
                and covers(own.lower(), pattern.lower())
                and not overlaps(own, pattern)
            ):
                yield Finding(
                    f"{claim.field(pattern)}: {pattern!r} differs from {own!r} of {rule.label} "
                    "in upper and lower case "
                    "only, and to ALB these are different paths; write it as clients do",
                    stops=False,
                )


def lint_owners(
    claim: Claim, rules: Sequence[Rule], monolith: str, monolith_group: str
) -> Iterator[Finding]:
    """
    Patterns whose requests the monolith does not answer now, or not all of them.

    Args:
        claim: The service that is to get them.
        rules: All rules of the listener.
        monolith: The monolith's name.
        monolith_group: ARN of its target group.
    """
    own = {rule.arn for rule in own_rules(list(rules), claim.owner, PATH).values()}
    for desired in desired_path_rules(claim.service.path_patterns, claim.owner):
        held = own_rules(list(rules), claim.owner, PATH).get(desired.chunk)
        place = held.priority if held else place_rule(list(rules), desired, monolith_group)[1]
        for pattern in desired.patterns:
            answering = matching_rules(users_rules(rules), pattern)
            whole = len(answering) == 1
            for rule in answering:
                if rule.arn not in own and len(rule.actions) > 1:
                    # Most often authentication: a bare path rule would make the path public, even
                    # at weight 0.
                    yield Finding(
                        f"{claim.field(pattern)}: {pattern!r} is answered by {rule.label}, which "
                        "does more than "
                        f"forward ({rule.actions[0]['Type']}), and a path rule would skip it; "
                        "leave it to the monolith"
                    )
                    continue
                if rule.arn in own or set(_receivers(rule)) == {monolith_group}:
                    continue
                yield _stranger(
                    claim.field(pattern),
                    pattern,
                    rule,
                    monolith,
                    whole=whole,
                    wins=rule.priority < place,
                )


def _receivers(rule: Rule) -> list[str]:
    """Target groups that get requests; an action of another kind is one by itself."""
    return [arn for arn, weight in weights_of(rule).items() if weight > 0] or ["nobody"]


def _stranger(
    field: str, pattern: str, rule: Rule, monolith: str, *, whole: bool, wins: bool
) -> Finding:
    """What it means that somebody else's rule answers."""
    whose = f"{rule.label}{_maker(rule)}"
    if rule.asks_for_more_than_the_path and wins:
        return Finding(
            f"{field}: {pattern!r} is partly answered by {whose}, which asks for more than the "
            "path and keeps what it "
            "has; look whether that is meant",
            stops=False,
        )
    what = "answered" if whole else "partly answered"
    return Finding(
        f"{field}: {pattern!r} is {what} by {whose}, not by {monolith}, and only the monolith's "
        "requests are moved; "
        f"leave these paths out, or let that rule forward to {monolith}'s target group alone"
    )


def _maker(rule: Rule) -> str:
    """Whose the rule is, where its tags tell."""
    if SERVICE not in rule.tags:
        return ""
    return f" of service {rule.tags[SERVICE]} of split {rule.tags.get(CONFIG)!r}"


def lint_priorities(
    claims: Sequence[Claim], rules: Sequence[Rule], monolith_group: str, max_parallel: int
) -> Iterator[Finding]:
    """
    Whether every rule of the run finds a free priority at its place; tried out as the run will do
    it.

    Args:
        claims: The services in the order in which they will be worked on.
        rules: All rules of the listener.
        monolith_group: ARN of the monolith's target group.
        max_parallel: Services that have their private rules at the same time.
    """
    lock = next(
        (rule for rule in rules if rule.priority == _LOCK_PRIORITY and rule.tags.get(ROLE) != LOCK),
        None,
    )
    if lock:
        yield Finding(
            f"listener: priority {_LOCK_PRIORITY} is taken by {lock.label}, and a run locks the "
            "listener with "
            "a rule of that priority; give the other rule another one"
        )
    lasting, private = list(rules), deque[list[Rule]](maxlen=max_parallel)
    for claim in claims:
        mine: list[Rule] = []
        private.append(mine)
        for desired in _rules_of(claim):
            standing = [*lasting, *(rule for one in private for rule in one)]
            if own_rules(standing, claim.owner, desired.role).get(desired.chunk):
                continue
            priority = choose_priority([*standing, _LOCK_RULE], desired, monolith_group)
            if priority is None:
                yield _no_room(claim, rules, monolith_group)
                break
            made = Rule(
                arn=f"planned/{claim.service.name}/{desired.role}/{desired.chunk}",
                priority=priority,
                conditions=tuple(desired.conditions),
                actions=tuple(weighted_forward({monolith_group: 100})),
                tags=desired.tags,
            )
            (lasting if desired.role == PATH else mine).append(made)


def _rules_of(claim: Claim) -> list[PathRule]:
    patterns, owner = claim.service.path_patterns, claim.owner
    private = [
        desired_preview_rules(patterns, owner, role, ("X-Split", "secret"))
        for role in (PREVIEW, CONTROL)
    ]
    return [*desired_path_rules(patterns, owner), *(rule for rules in private for rule in rules)]


def _no_room(claim: Claim, rules: Sequence[Rule], monolith_group: str) -> Finding:
    needed = _rules_of(claim)
    after, before = place_rule(list(rules), needed[0], monolith_group)
    return Finding(
        f"{claim.where}.path_patterns: {claim.service.name} needs {len(needed)} free rule "
        f"priorities after {after} and "
        f"before {before}, and other services need some there as well, but too few are free; "
        f"move rule {before} behind "
        "with `aws elbv2 set-rule-priorities`"
    )
