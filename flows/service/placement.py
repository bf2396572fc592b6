"""One service's place on the listener: target group, rules, ECS service, and the routes to it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.aws import AwsConfig
from config.service import ServiceConfig
from config.split import SplitConfig
from config.traffic import Gates, Traffic
from flows.service.proof.routes import PrivateRoute
from flows.service.running import ensure_running
from tasks.aws.call import call
from tasks.aws.tags import Owner
from tasks.cloudwatch.metrics import TargetGroupRef
from tasks.discovery import Discovered
from tasks.ecs.service import desired_service
from tasks.elbv2.rule import (
    PathRule,
    delete_rule,
    desired_path_rules,
    ensure_rule,
    own_rules,
    read_rules,
)
from tasks.elbv2.rule_matching import CONTROL, PREVIEW
from tasks.elbv2.target_group import desired_target_group, ensure_target_group
from tasks.elbv2.weights import check_unchanged
from tasks.http.checks import check_requests
from tasks.http.client import PREVIEW_HEADER, Route
from tasks.http.comparison.parity import parity_requests
from tasks.http.request import Request

__all__ = ["Placement", "current_weight", "own_requests", "placed"]


@dataclass(frozen=True)
class Placement:
    """One service's place on the listener, while its traffic is shifted."""

    config: SplitConfig
    discovered: Discovered
    service: ServiceConfig
    target_group_arn: str
    rule_arns: tuple[str, ...]
    """Its path rules, which share traffic between monolith and service."""
    user: Route
    """As users reach it: through the path rules."""
    preview: Route
    """To the service alone."""
    control: Route
    """To the monolith alone."""
    requests: tuple[Request, ...] = ()
    """The tool's own requests to the service: those of parity and checks, with their headers."""
    private_routes: tuple[PrivateRoute, ...] = ()
    """The rules of `preview` and `control`."""

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def probe_paths(self) -> tuple[str, ...]:
        """The paths of the tool's own requests."""
        return tuple(request.path for request in self.requests)

    @property
    def aws(self) -> AwsConfig:
        """Where AWS is."""
        return self.config.aws

    @property
    def listener_arn(self) -> str:
        """The listener."""
        return self.discovered.listener_arn

    @property
    def traffic(self) -> Traffic:
        """Its steps and gates."""
        return self.config.traffic_of(self.service)

    @property
    def gates(self) -> Gates:
        """Its gates."""
        return self.traffic.gates

    @property
    def monolith_group_arn(self) -> str:
        """The monolith's target group."""
        return self.discovered.monolith.target_group_arn

    @property
    def group_arns(self) -> tuple[str, str]:
        """Both target groups: the monolith's, then the service's."""
        return self.monolith_group_arn, self.target_group_arn

    def metrics_of(self, target_group_arn: str) -> TargetGroupRef:
        """A target group behind this load balancer, as CloudWatch names it."""
        balancer = self.discovered.load_balancer_arn
        return TargetGroupRef.of(balancer, target_group_arn)


@asynccontextmanager
async def placed(
    config: SplitConfig,
    discovered: Discovered,
    service: ServiceConfig,
    owner: Owner,
    task_definition: str,
) -> AsyncIterator[Placement]:
    """
    Place the service on the listener without traffic, and run it.

    ECS refuses a target group that no listener uses, so the rules come first, and send nothing to
    the empty group. Preview and control rules are deleted at the end, also after an error.

    Args:
        config: The split.
        discovered: What the split only reads.
        service: The service.
        owner: Owner of what is created.
        task_definition: ARN of the revision to run.

    Raises:
        ResourceConflict: A name is taken, or no rule priority is free.
    """
    placement = await _ensure_path_rules(config, discovered, service, owner)
    try:
        for private in placement.private_routes:
            await private.answer_with_nonce()
        await _ensure_running(placement, owner, task_definition)
        yield placement
    finally:
        await asyncio.shield(_delete_private_rules(placement, owner))


async def _ensure_path_rules(
    config: SplitConfig, discovered: Discovered, service: ServiceConfig, owner: Owner
) -> Placement:
    desired = desired_target_group(service, owner, discovered.vpc_id)
    group = await ensure_target_group(config.aws, desired)
    rules = desired_path_rules(service.path_patterns, owner)
    preview, control = _private_routes(config, discovered, service, owner, group)
    return Placement(
        config=config,
        discovered=discovered,
        service=service,
        target_group_arn=group,
        rule_arns=await _ensure_dark_rules(config, discovered, rules, group),
        user=discovered.route(),
        preview=preview.route,
        control=control.route,
        requests=await call(own_requests, config.aws, service),
        private_routes=(preview, control),
    )


def _private_routes(
    config: SplitConfig,
    discovered: Discovered,
    service: ServiceConfig,
    owner: Owner,
    target_group_arn: str,
) -> tuple[PrivateRoute, PrivateRoute]:
    """The routes to the service alone and to the monolith alone, by a new secret."""
    secret = secrets.token_urlsafe(24)
    monolith = discovered.monolith.target_group_arn

    def private(role: str, group: str) -> PrivateRoute:
        headers = {PREVIEW_HEADER: f"{secret}.{role}"}
        return PrivateRoute(
            aws=config.aws,
            listener_arn=discovered.listener_arn,
            owner=owner,
            role=role,
            patterns=service.path_patterns,
            group_arn=group,
            monolith_group_arn=monolith,
            route=discovered.route(headers),
        )

    return private(PREVIEW, target_group_arn), private(CONTROL, monolith)


async def _ensure_dark_rules(
    config: SplitConfig, discovered: Discovered, rules: Sequence[PathRule], group: str
) -> tuple[str, ...]:
    """Rules that send the service nothing; weights of rules that exist already stay."""
    monolith = discovered.monolith.target_group_arn
    weights = {monolith: 100, group: 0}
    arns = []
    for rule in rules:
        arn = await ensure_rule(config.aws, discovered.listener_arn, rule, weights, monolith)
        arns.append(arn)
    return tuple(arns)


def own_requests(aws: AwsConfig, service: ServiceConfig) -> tuple[Request, ...]:
    """
    The tool's own requests to a service: those of parity and checks, each once.

    Raises:
        CheckFailed: A request header cannot be read.
    """
    requests = [*parity_requests(aws, service), *check_requests(aws, service.own_checks)]
    return tuple(dict.fromkeys(requests))


async def _ensure_running(placement: Placement, owner: Owner, task_definition: str) -> None:
    desired = desired_service(
        placement.service,
        owner,
        placement.discovered,
        task_definition=task_definition,
        target_group=placement.target_group_arn,
    )
    await ensure_running(placement.config, placement.service, desired)


async def _delete_private_rules(placement: Placement, owner: Owner) -> None:
    aws = placement.aws
    rules = await call(read_rules, aws, placement.listener_arn)
    for role in (PREVIEW, CONTROL):
        private_rules = own_rules(rules, owner, role)
        for rule in private_rules.values():
            await delete_rule(aws, rule.arn)


async def current_weight(placement: Placement) -> int:
    """
    Percent of its requests that the service gets now: 0 in a first run.

    Raises:
        TrafficConflict: The weights were changed from outside.
    """
    rules = await call(read_rules, placement.aws, placement.listener_arn)
    weights = [
        check_unchanged(rule, placement.target_group_arn)
        for rule in rules
        if rule.arn in placement.rule_arns
    ]
    return min(weights)
