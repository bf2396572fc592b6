"""
What a run would do: each resource compared with AWS's, the traffic steps, and the drain. Changes
nothing.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.errors import TrafficConflict
from config.monolith import KeepDefault
from config.path_pattern import covers
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.owner import owner_of
from tasks.aws.change import UNKNOWN, Change, Conflict, Create, NoChange, Update
from tasks.aws.tags import Owner
from tasks.cloudwatch.log_group import compare_log_group, desired_log_group
from tasks.discovery import Discovered
from tasks.ecr.build import content_tag
from tasks.ecr.image import pin_image
from tasks.ecr.repository import compare_repository, desired_repository
from tasks.ecs.service import compare_service, desired_service
from tasks.ecs.task_definition import compare_task_definition, desired_task_definition
from tasks.elbv2.default_action import monolith_rules, why_not_to_take_over
from tasks.elbv2.rule import compare_rule, desired_path_rules, desired_preview_rules
from tasks.elbv2.rule_matching import CONTROL, PREVIEW, Rule
from tasks.elbv2.target_group import compare_target_group, desired_target_group
from tasks.elbv2.weights import service_weight
from tasks.iam.task_role import compare_task_role, desired_task_role
from tasks.state.service import ServiceState, read_service_state

__all__ = [
    "DrainDecision",
    "Plan",
    "PlannedChange",
    "ServicePlan",
    "decide_drain",
    "observe",
    "plan_split",
]


@dataclass(frozen=True)
class PlannedChange:
    """One resource, and what has to happen to it."""

    resource: str
    """Kind, in AWS's words, e.g. `target group`."""
    name: str
    change: Change
    temporary: bool = False
    """Whether the run removes it again before it ends."""


@dataclass(frozen=True)
class ServicePlan:
    """Everything that has to happen for one service."""

    service: str
    changes: tuple[PlannedChange, ...]
    weight: int
    """Percent of its paths' requests that it gets now."""
    steps: tuple[int, ...]
    """Weights that traffic will be shifted to; empty when it has all."""
    image_tag: str | None
    state: ServiceState = field(repr=False)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return not self.steps and all(isinstance(item.change, NoChange) for item in self.changes)


@dataclass(frozen=True)
class DrainDecision:
    """Whether the monolith will be drained, and why or why not."""

    will_drain: bool
    reasons: tuple[str, ...]
    already_drained: bool = False


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    services: tuple[ServicePlan, ...]
    monolith: tuple[PlannedChange, ...]
    """Its default action, its scaling and its desired count."""
    drain: DrainDecision

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return all(plan.settled for plan in self.services) and not any(
            not isinstance(item.change, NoChange) for item in self.monolith
        )

    @property
    def conflicts(self) -> list[str]:
        """Why the run may not begin."""
        changes = [item.change for plan in self.services for item in plan.changes]
        return [change.reason for change in changes if isinstance(change, Conflict)]


async def observe(
    config: SplitConfig, discovered: Discovered, services: Iterable[ServiceConfig]
) -> dict[str, tuple[str | None, ServiceState]]:
    """Read what AWS holds of each service; with the tag that its sources have now."""

    async def look(service: ServiceConfig) -> tuple[str, tuple[str | None, ServiceState]]:
        tag = (
            await asyncio.to_thread(content_tag, service.build, service.cpu_architecture)
            if service.build
            else None
        )
        state = await read_service_state(
            config.aws, discovered.cluster_arn, discovered.listener_arn, service, tag
        )
        return service.name, (tag, state)

    return dict(await asyncio.gather(*(look(service) for service in services)))


def plan_split(
    config: SplitConfig,
    discovered: Discovered,
    observed: Mapping[str, tuple[str | None, ServiceState]],
    *,
    adopt: Sequence[str] = (),
    drain: bool = True,
) -> Plan:
    """
    Compare what is wanted with what is there.

    Args:
        config: The split.
        discovered: What it only reads.
        observed: From `observe`, of the services that the run is about.
        adopt: Services that may take over what this split did not make.
        drain: Whether this run may drain the monolith.
    """
    plans = tuple(
        _plan_service(
            config, discovered, service, owner_of(config, service, adopt), *observed[service.name]
        )
        for service in config.services
        if service.name in observed
    )
    rules = next(iter(observed.values()))[1].rules
    decision = decide_drain(
        config, discovered, rules, complete=len(plans) == len(config.services), allowed=drain
    )
    return Plan(plans, tuple(_plan_monolith(config, discovered, rules, decision)), decision)


def _plan_service(
    config: SplitConfig,
    discovered: Discovered,
    service: ServiceConfig,
    owner: Owner,
    tag: str | None,
    state: ServiceState,
) -> ServicePlan:
    changes = [*_plan_image(config, service, owner, tag, state)]
    changes += [
        _planned(
            "log group",
            service.log_group,
            compare_log_group(desired_log_group(service, owner), state.log_group),
        ),
        _planned(
            "IAM role",
            service.task_role,
            compare_task_role(desired_task_role(service, owner), state.task_role),
        ),
    ]
    definition = desired_task_definition(
        service,
        owner,
        region=config.aws.region,
        image=_image(config, service, tag, state),
        execution_role_arn=discovered.execution_role_arn,
        task_role_arn=state.task_role["Arn"] if state.task_role else UNKNOWN,
    )
    change = _until_known(
        compare_task_definition(definition, state.task_definition), definition.request
    )
    changes.append(_planned("task definition", service.family, change))
    group = desired_target_group(service, owner, discovered.vpc_id)
    changes.append(
        _planned("target group", group.name, compare_target_group(group, state.target_group))
    )
    rule_changes, weight, steps = _plan_rules(config, service, owner, state)
    changes += rule_changes
    same_revision = isinstance(change, NoChange) and state.task_definition is not None
    wanted = desired_service(
        service,
        owner,
        discovered,
        task_definition=state.task_definition["taskDefinitionArn"]
        if same_revision and state.task_definition
        else UNKNOWN,
        target_group=state.target_group_arn or UNKNOWN,
    )
    service_change = compare_service(wanted, state.service)
    if isinstance(service_change, NoChange) and not same_revision and state.service:
        service_change = Update({"taskDefinition": (state.service["taskDefinition"], UNKNOWN)})
    changes.append(_planned("ECS service", service.name, service_change))
    return ServicePlan(service.name, tuple(changes), weight, steps, tag, state)


def _planned(resource: str, name: str, change: Change, *, temporary: bool = False) -> PlannedChange:
    return PlannedChange(resource, name, change, temporary)


def _plan_image(
    config: SplitConfig, service: ServiceConfig, owner: Owner, tag: str | None, state: ServiceState
) -> list[PlannedChange]:
    if tag is None:
        return []
    repository = compare_repository(desired_repository(service, owner), state.repository)
    image = NoChange() if state.digest else Create()
    _ = config
    return [
        _planned("ECR repository", service.name, repository),
        _planned("image", f"{service.name}:{tag}", image),
    ]


def _image(
    config: SplitConfig, service: ServiceConfig, tag: str | None, state: ServiceState
) -> str:
    if tag is None:
        return pin_image(config.aws, str(service.image))
    if state.repository is None or state.digest is None:
        return UNKNOWN
    return f"{state.repository.uri}@{state.digest}"


def _until_known(change: Change, request: Mapping[str, Any]) -> Change:
    """A revision whose image or role does not exist yet is a new one in any case."""
    unknown = UNKNOWN in (request["taskRoleArn"], request["containerDefinitions"][0]["image"])
    if isinstance(change, NoChange) and unknown:
        return Update({"containerDefinitions[0].image": ("as registered", UNKNOWN)})
    return change


def _plan_rules(
    config: SplitConfig, service: ServiceConfig, owner: Owner, state: ServiceState
) -> tuple[list[PlannedChange], int, tuple[int, ...]]:
    held = state.path_rules(owner)
    group = state.target_group_arn or UNKNOWN
    weights: list[int] = []
    changes = []
    for rule in desired_path_rules(service.path_patterns, owner):
        observed, change = held.get(rule.chunk), compare_rule(rule, held.get(rule.chunk))
        try:
            weights += [service_weight(observed, group)] if observed else []
        except TrafficConflict as error:
            change = Conflict(str(error))
        changes.append(_planned("listener rule", ", ".join(rule.patterns), change))
    if any(weights):
        changes += [
            _planned("listener rule", path, _unproven(service, path))
            for path in _new_paths(service, held)
        ]
    weight = min(weights, default=0) if len(weights) == len(changes) else 0
    left_over = state.preview_rules(owner)
    steps = tuple(
        step.weight
        for step in config.traffic_of(service).shift.steps()
        if weight < 100 and step.weight >= weight
    )
    if steps or left_over:
        for role in (PREVIEW, CONTROL):
            wanted = desired_preview_rules(service.path_patterns, owner, role, ("", ""))
            changes += [
                _planned(f"{role} rule", ", ".join(rule.patterns), Create(), temporary=True)
                for rule in wanted
            ]
    return changes, weight, steps


def _new_paths(service: ServiceConfig, held: Mapping[int, Rule]) -> list[str]:
    """The service's paths that none of its rules has yet."""
    owned = [pattern for rule in held.values() for pattern in rule.path_patterns]
    return [path for path in service.path_patterns if not any(covers(own, path) for own in owned)]


def _unproven(service: ServiceConfig, path: str) -> Conflict:
    """
    A rule's paths share its weights: a new one would go to the service before
    it is proven for it.
    """
    return Conflict(
        f"services.{service.name}.path_patterns: {path!r} is new, and {service.name} has users "
        "already, so it would "
        "move with no proof; take its traffic back first: `python -m flows.rollback CONFIG "
        f"--only {service.name}`"
    )


def decide_drain(
    config: SplitConfig,
    discovered: Discovered,
    rules: Sequence[Rule],
    *,
    complete: bool,
    allowed: bool,
) -> DrainDecision:
    """
    Whether the monolith may be drained once all services have settled.

    Args:
        config: The split.
        discovered: The monolith as it runs.
        rules: The listener's rules.
        complete: Whether the run is about all services of the config.
        allowed: Whether the run may drain.
    """
    monolith = discovered.monolith
    if monolith.desired_count == 0:
        return DrainDecision(
            will_drain=False, already_drained=True, reasons=("it is drained already",)
        )
    against = []
    if config.monolith.drain == "never":
        against.append("monolith.drain is never")
    if not allowed:
        against.append("this run may not (--no-drain)")
    if not complete:
        against.append("this run is not about all services (--only)")
    kept = monolith_rules(rules, monolith.target_group_arn)
    if isinstance(config.monolith.default_action, KeepDefault):
        against += [
            f"{rule.label} sends requests to it, and monolith.default_action is keep"
            for rule in kept
        ]
    else:
        reasons = [why_not_to_take_over(rule, monolith.target_group_arn) for rule in kept]
        against += [
            f"{reason}, which cannot be undone exactly; change it by hand"
            for reason in reasons
            if reason
        ]
    against += [
        f"{way} leads to it as well, and its idleness there cannot be proven"
        for way in monolith.other_ways
    ]
    if against:
        return DrainDecision(will_drain=False, reasons=tuple(against))
    asked = " after a person has agreed" if config.monolith.drain == "approve" else ""
    reason = (
        f"drained{asked} when every service has settled, no rule sends anything to it, and no "
        "request has reached it "
        f"for {config.monolith.quiet_period:g} s"
    )
    return DrainDecision(will_drain=True, reasons=(reason,))


def _plan_monolith(
    config: SplitConfig, discovered: Discovered, rules: Sequence[Rule], decision: DrainDecision
) -> list[PlannedChange]:
    if not decision.will_drain:
        return []
    monolith = discovered.monolith
    action = config.monolith.default_action.model_dump(mode="json")
    handed_over = [
        _planned(
            "listener" if rule.is_default else "listener rule",
            rule.label,
            Update(
                {
                    "DefaultActions" if rule.is_default else "Actions": (
                        f"forward to {monolith.service}",
                        action,
                    )
                }
            ),
        )
        for rule in monolith_rules(rules, monolith.target_group_arn)
    ]
    drained = Update({"desiredCount": (monolith.desired_count, 0)})
    return [*handed_over, _planned("ECS service", monolith.service, drained)]
