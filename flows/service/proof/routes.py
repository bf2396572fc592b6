"""
The private routes of a run, and the proof that its requests reach them.

A proxy that drops the secret header, or a rule in front, would let the monolith answer what was
meant for the service: every check would pass without the service. So each private rule first
answers with a nonce, which is read through the URL that checks use, before it forwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from config.aws import AwsConfig
from config.errors import CheckFailed
from config.path_pattern import matches
from config.split import SplitConfig
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.discovery import Discovered
from tasks.elbv2.path_rule import PathRule
from tasks.elbv2.rule import desired_preview_rules, ensure_rule, own_rules, read_rules
from tasks.elbv2.rule_matching import Rule
from tasks.http.client import PREVIEW_HEADER, Route
from tasks.http.nonce import Miss, nonce_of, wait_for_nonce, wait_until_forwarded
from tasks.http.request import Request

__all__ = [
    "PrivateRoute",
    "header_remedy",
    "remedy_for",
    "rules_in_front",
    "verify_forwarded",
    "verify_private_route",
]


@dataclass(frozen=True)
class PrivateRoute:
    """A route to one target group alone: rules on a service's paths and a secret header."""

    aws: AwsConfig
    listener_arn: str
    owner: Owner
    role: str
    """`preview` for the service's target group, `control` for the monolith's."""
    patterns: tuple[str, ...]
    group_arn: str
    """The target group that the rules forward to."""
    monolith_group_arn: str
    route: Route
    """The URL, with the secret header."""

    async def answer_with_nonce(self) -> None:
        """Create the rules, or take over those of a killed run; they answer with the nonce."""
        await self._ensure(self.rules(nonce_of(self.route)))

    async def forward(self) -> None:
        """Let the rules forward to the target group."""
        await self._ensure(self.rules())

    def rules(self, nonce: str | None = None) -> list[PathRule]:
        """The rules as they should be."""
        header = (PREVIEW_HEADER, self.route.headers[PREVIEW_HEADER])
        return desired_preview_rules(self.patterns, self.owner, self.role, header, nonce)

    async def _ensure(self, rules: Sequence[PathRule]) -> None:
        weights = {self.group_arn: 1}
        for rule in rules:
            await ensure_rule(self.aws, self.listener_arn, rule, weights, self.monolith_group_arn)

    def one_for_each_rule(self, requests: Sequence[Request]) -> list[Request]:
        """Of the requests, the first for each rule that any of them can match."""
        chosen = []
        for rule in self.rules():
            matching = [request for request in requests if _is_for(rule.patterns, request)]
            chosen += matching[:1]
        return chosen


def _is_for(patterns: Sequence[str], request: Request) -> bool:
    path, _, _ = request.path.partition("?")
    return any(matches(pattern, path) for pattern in patterns)


async def verify_private_route(
    config: SplitConfig, discovered: Discovered, private: PrivateRoute, requests: Sequence[Request]
) -> None:
    """
    Verify that every request reaches the rules of the private route, then let them forward.

    Args:
        config: The split.
        discovered: What the split only reads.
        private: The route; its rules answer with the nonce.
        requests: All that will be sent on the route; nothing is verified without any.

    Raises:
        CheckFailed: One does not, within `listener.rule_timeout`.
    """
    first = private.one_for_each_rule(requests)
    others = [request for request in requests if request not in first]
    if requests:
        limit = config.listener.rule_timeout
        miss = await wait_for_nonce(private.route, first or requests, others, limit)
        if miss:
            raise CheckFailed(await _explain(config, discovered, private, miss))
    await private.forward()


async def verify_forwarded(
    config: SplitConfig, private: PrivateRoute, route: Route, requests: Sequence[Request]
) -> None:
    """
    Verify that the rules of a private route forward on every node of the load balancer.

    Args:
        config: The split.
        private: The route; its rules were changed to forward.
        route: The same, recorded.
        requests: All that will be sent on it.

    Raises:
        CheckFailed: They still answer with the nonce after `listener.rule_timeout`.
    """
    first = private.one_for_each_rule(requests)
    if not first:
        return
    limit = config.listener.rule_timeout
    miss = await wait_until_forwarded(route, first, limit)
    if miss:
        raise CheckFailed(
            f"{private.owner.service}: {miss}: its {private.role} rule does not forward "
            f"{limit:g} s after it was changed; turn off caching before the load balancer, or "
            "raise listener.rule_timeout"
        )


async def _explain(
    config: SplitConfig, discovered: Discovered, private: PrivateRoute, miss: Miss
) -> str:
    """What keeps a request from its rule, and what to do about it."""
    rules = await call(read_rules, private.aws, private.listener_arn)
    own = own_rules(rules, private.owner, private.role).values()
    remedy = remedy_for(config, discovered, rules_in_front(rules, own, miss.request))
    return (
        f"{private.owner.service}: {miss}, which is not the response of its {private.role} rule: "
        f"requests do not reach that rule, so no check would be about {private.owner.service}; "
        f"{remedy}"
    )


def rules_in_front(rules: Sequence[Rule], private: Iterable[Rule], request: Request) -> list[Rule]:
    """The rules of others that are tried before the private ones and match the request's path."""
    first = min((rule.priority for rule in private), default=0)
    return [
        rule
        for rule in rules
        if rule.priority < first and rule.role is None and _is_for(rule.path_patterns, request)
    ]


def remedy_for(config: SplitConfig, discovered: Discovered, in_front: Sequence[Rule]) -> str:
    """
    What to do where requests do not reach a private rule.

    Args:
        config: The split.
        discovered: What the split only reads.
        in_front: The rules before it that match the request.
    """
    if not in_front:
        return header_remedy(config, discovered)
    certain = [rule for rule in in_front if not rule.has_other_conditions]
    labels = ", ".join(rule.label for rule in certain or in_front)
    move = "delete or move that rule, or leave these paths out"
    if certain:
        return f"{labels} comes before it and takes the request; {move}"
    other = header_remedy(config, discovered)
    return f"if {labels}, which comes before it, takes the request: {move}; if not: {other}"


def header_remedy(config: SplitConfig, discovered: Discovered) -> str:
    """What to do where the header does not arrive."""
    limit = config.listener.rule_timeout
    way_past = f"set listener.url to the load balancer itself ({discovered.balancer_url})"
    if discovered.balancer_url.startswith("https:"):
        # Its certificate is for the public name.
        way_past = (
            f"set listener.direct to true, which connects to {discovered.balancer_url} with the "
            "host name of listener.url"
        )
    return (
        f"the request header {PREVIEW_HEADER} is lost between this machine and the load balancer, "
        f"as CloudFront and other proxies drop it by default: let it pass, or {way_past}; raise "
        f"listener.rule_timeout if {limit:g} s are too few for a rule change to reach every node"
    )
