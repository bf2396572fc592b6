"""The first thing that a run tries: whether its secret header reaches the load balancer."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from config.errors import PreflightFailed
from config.split import SplitConfig
from flows.plan.owner import owner_of
from flows.record.events import emit
from flows.service.placement import own_requests
from flows.service.proof.routes import remedy_for, rules_in_front
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.discovery import Discovered
from tasks.elbv2.rule import delete_rule, read_rules
from tasks.elbv2.rule_matching import Rule
from tasks.elbv2.temporary.header_rule import create_header_rule, left_header_rules
from tasks.http.client import PREVIEW_HEADER, Route
from tasks.http.nonce import Miss, nonce_of, wait_for_nonce
from tasks.http.request import Request

__all__ = ["verify_header_arrives"]


async def verify_header_arrives(
    config: SplitConfig, discovered: Discovered, names: Sequence[str]
) -> None:
    """
    Verify, before anything else is created, that the secret header reaches the load balancer.

    A rule before all others answers it with a nonce for this while.

    Args:
        config: The split.
        discovered: What the split only reads.
        names: The services; one request of each is sent, and none where they have none.

    Raises:
        PreflightFailed: It does not, within `listener.rule_timeout`.
    """
    requests = await call(_first_requests, config, names)
    if not requests:
        return
    headers = {PREVIEW_HEADER: f"{secrets.token_urlsafe(24)}.test"}
    route = discovered.route(headers)
    owner = owner_of(config, config.service(names[0]))
    async with _header_rule(config, discovered, owner, route) as rule_arn:
        limit = config.listener.rule_timeout
        miss = await wait_for_nonce(route, requests, (), limit)
        in_front = await _read_rules_in_front(config, discovered, rule_arn, miss)
    if miss:
        raise PreflightFailed(
            f"listener.url: {miss} through {discovered.alb_url}, which is not the response of the "
            f"rule for it; {remedy_for(config, discovered, in_front)}"
        )
    emit("note", None, f"requests reach the listener's rules through {discovered.alb_url}")


async def _read_rules_in_front(
    config: SplitConfig, discovered: Discovered, rule_arn: str, miss: Miss | None
) -> list[Rule]:
    """The rules of others that match the request, and come before the rule for the header."""
    if miss is None:
        return []
    rules = await call(read_rules, config.aws, discovered.listener_arn)
    own = [rule for rule in rules if rule.arn == rule_arn]
    return rules_in_front(rules, own, miss.request)


def _first_requests(config: SplitConfig, names: Sequence[str]) -> list[Request]:
    requests: list[Request] = []
    for name in names:
        own = own_requests(config.aws, config.service(name))
        requests += own[:1]
    return requests


@asynccontextmanager
async def _header_rule(
    config: SplitConfig, discovered: Discovered, owner: Owner, route: Route
) -> AsyncIterator[str]:
    """The rule's ARN while the block runs; also those that killed runs have left are deleted."""
    aws = config.aws
    listener = discovered.listener_arn
    header = (PREVIEW_HEADER, route.headers[PREVIEW_HEADER])
    try:
        yield await create_header_rule(aws, listener, owner, header, nonce_of(route))
    finally:
        await asyncio.shield(_delete_header_rules(config, listener))


async def _delete_header_rules(config: SplitConfig, listener_arn: str) -> None:
    rules = await call(read_rules, config.aws, listener_arn)
    for rule in left_header_rules(rules, config.name):
        await delete_rule(config.aws, rule.arn)
