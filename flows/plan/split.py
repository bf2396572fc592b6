"""The plan of a split: each resource compared with AWS's, the traffic steps, and the drain."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.monolith import KeepDefault
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.change import PlannedChange, Row, ServicePlan, service_plan_rows
from flows.plan.monolith.drain import DrainDecision, decide_drain, plan_drain
from flows.plan.monolith.hold import plan_hold
from flows.plan.observe import Observation
from flows.plan.owner import owner_of
from flows.plan.routes import ServiceRoutes
from tasks.aws.change import UNKNOWN, Change, Conflict, Create, NoChange, Update
from tasks.aws.tags import Owner
from tasks.cloudwatch.log_group import compare_log_group, desired_log_group
from tasks.discovery import Discovered
from tasks.ecr.repository import compare_repository, desired_repository
from tasks.ecs.service import compare_service, desired_service
from tasks.ecs.task_definition import compare_task_definition, desired_task_definition
from tasks.elbv2.default_action import edit_of_taken_over, monolith_rules
from tasks.elbv2.rule_matching import Rule
from tasks.elbv2.target_group import compare_target_group, desired_target_group
from tasks.iam.task_role import compare_task_role, desired_task_role
from tasks.state.service import ServiceState

__all__ = ["Plan", "edited_rules", "plan_split"]


@dataclass(frozen=True)
class Plan:
    """What a split would do."""

    services: tuple[ServicePlan, ...]
    monolith_service: str
    """ECS service name."""
    monolith: tuple[PlannedChange, ...]
    """Its scaling, its default action and its desired count; its rules that somebody changed."""
    drain: DrainDecision

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        if self.monolith:
            return False
        return all(plan.settled for plan in self.services)

    @property
    def shifts(self) -> bool:
        """Whether traffic is shifted."""
        return any(plan.steps for plan in self.services)

    @property
    def conflicts(self) -> list[str]:
        """Why the run may not begin."""
        found: list[str] = []
        for plan in self.services:
            found += plan.conflicts
        found += [item.conflict for item in self.monolith if item.conflict]
        return found

    @property
    def images(self) -> dict[str, str]:
        """The image that each service is to run."""
        return {plan.service: plan.image for plan in self.services}

    def rows(self, *, full: bool = False) -> list[Row]:
        """
        As a table: service, resource, name, action, details.

        Args:
            full: Whether long values are shown in full.
        """
        name = self.monolith_service
        services = service_plan_rows(self.services, full=full)
        monolith = [item.row(name, full=full) for item in self.monolith]
        return [*services, *monolith, self.drain.row(name)]


def plan_split(
    config: SplitConfig,
    discovered: Discovered,
    observed: Observation,
    *,
    adopt: Sequence[str] = (),
    drain: bool = True,
) -> Plan:
    """
    Compare what is wanted with what is there.

    Args:
        config: The split.
        discovered: The monolith and its environment.
        observed: The services that the run works on.
        adopt: Services that may adopt resources that this split did not make.
        drain: Whether this run may drain the monolith.
    """
    plans = [
        _plan_service(config, discovered, service, owner_of(config, service, adopt), observed)
        for service in config.services
        if service.name in observed.services
    ]
    complete = len(plans) == len(config.services)
    decision = decide_drain(config, discovered, observed.rules, complete=complete, allowed=drain)
    shifts = any(plan.steps for plan in plans)
    hold = plan_hold(config, discovered, observed.rules, shifts=shifts, drains=decision.will_drain)
    return Plan(
        services=tuple(plans),
        monolith_service=config.monolith.service,
        monolith=(
            *hold,
            *edited_rules(config, discovered, observed),
            *plan_drain(config, discovered, observed.rules, decision),
        ),
        drain=decision,
    )


def edited_rules(
    config: SplitConfig, discovered: Discovered, observed: Observation
) -> Iterator[PlannedChange]:
    """
    Find rules that were taken over from the monolith, and that somebody else has changed since.

    Args:
        config: The split.
        discovered: The monolith.
        observed: All rules of the listener, and those that were taken over.
    """
    returned = _returned_rules(config, discovered, observed.rules)
    for rule in returned:
        reason = (
            f"{rule.label} forwards to {config.monolith.service}, which is drained: its requests "
            "are answered with 503. Somebody else changed it; give it the action of "
            "monolith.default_action again, or restore the monolith with `python -m flows.rollback`"
        )
        yield _edited_rule(rule, reason)
    known = {rule.arn for rule in returned}
    for rule in observed.taken_over:
        change = edit_of_taken_over(rule)
        if change and rule.arn not in known:
            yield _edited_rule(rule, change)


def _returned_rules(
    config: SplitConfig, discovered: Discovered, rules: Iterable[Rule]
) -> list[Rule]:
    """Rules that forward to a drained monolith, although the split gave them another action."""
    if discovered.monolith.desired_count > 0:
        return []
    if isinstance(config.monolith.default_action, KeepDefault):
        return []
    return monolith_rules(list(rules), discovered.monolith.target_group_arn)


def _edited_rule(rule: Rule, reason: str) -> PlannedChange:
    resource = "listener" if rule.is_default else "listener rule"
    return PlannedChange(resource, rule.label, Conflict(reason))


def _plan_service(
    config: SplitConfig,
    discovered: Discovered,
    service: ServiceConfig,
    owner: Owner,
    observed: Observation,
) -> ServicePlan:
    seen = observed.services[service.name]
    group = discovered.monolith.target_group_arn
    routes = ServiceRoutes(config, service, owner, seen.state, group)
    weight = routes.weight()
    steps = routes.steps(weight)
    comparison = _Comparison(config, discovered, service, owner, seen.image, seen.state)
    revision = comparison.task_definition()
    return ServicePlan(
        service=service.name,
        changes=(
            *comparison.built_image(),
            comparison.log_group(),
            comparison.task_role(),
            revision,
            comparison.target_group(),
            *routes.path_rules(),
            *routes.preview_rules(steps),
            comparison.ecs_service(revision.change),
        ),
        weight=weight,
        steps=steps,
        image=seen.image,
        state=seen.state,
        note=seen.note,
    )


@dataclass(frozen=True)
class _Comparison:
    """One service as the config wants it, against what AWS holds of it."""

    config: SplitConfig
    discovered: Discovered
    service: ServiceConfig
    owner: Owner
    image: str
    state: ServiceState

    def built_image(self) -> list[PlannedChange]:
        """Repository and image; none when the image is ready."""
        if self.service.build is None:
            return []
        desired = desired_repository(self.service, self.owner)
        repository = PlannedChange(
            resource="ECR repository",
            name=desired.name,
            change=compare_repository(desired, self.state.repository),
        )
        image = PlannedChange(
            resource="image",
            name=f"{desired.name}:{self.image}",
            change=NoChange() if self.state.digest else Create(),
        )
        return [repository, image]

    def log_group(self) -> PlannedChange:
        desired = desired_log_group(self.service, self.owner)
        return PlannedChange(
            resource="log group",
            name=self.service.log_group,
            change=compare_log_group(desired, self.state.log_group),
        )

    def task_role(self) -> PlannedChange:
        desired = desired_task_role(self.service, self.owner)
        return PlannedChange(
            resource="IAM role",
            name=self.service.task_role,
            change=compare_task_role(desired, self.state.task_role),
        )

    def task_definition(self) -> PlannedChange:
        role = self.state.task_role
        desired = desired_task_definition(
            self.service,
            self.owner,
            region=self.config.aws.region,
            image=self._image_reference(),
            execution_role_arn=self.discovered.execution_role_arn,
            task_role_arn=role["Arn"] if role else UNKNOWN,
        )
        compared = compare_task_definition(desired, self.state.task_definition)
        change = _until_known(compared, desired.request)
        return PlannedChange("task definition", desired.family, change)

    def _image_reference(self) -> str:
        """The image that the task definition names."""
        if self.service.build is None:
            return self.image
        repository = self.state.repository
        digest = self.state.digest
        if repository is None or digest is None:
            return UNKNOWN
        return f"{repository.uri}@{digest}"

    def target_group(self) -> PlannedChange:
        desired = desired_target_group(self.service, self.owner, self.discovered.vpc_id)
        return PlannedChange(
            resource="target group",
            name=desired.name,
            change=compare_target_group(desired, self.state.target_group),
        )

    def ecs_service(self, revision: Change) -> PlannedChange:
        """
        The ECS service.

        Args:
            revision: What has to happen to its task definition.
        """
        current = self.state.task_definition if isinstance(revision, NoChange) else None
        desired = desired_service(
            self.service,
            self.owner,
            self.discovered,
            task_definition=current["taskDefinitionArn"] if current else UNKNOWN,
            target_group=self.state.target_group_arn or UNKNOWN,
        )
        held = self.state.service
        change = compare_service(desired, held)
        if held and current is None and isinstance(change, NoChange):
            change = Update({"taskDefinition": (held["taskDefinition"], UNKNOWN)})
        return PlannedChange("ECS service", desired.name, change)


def _until_known(change: Change, request: Mapping[str, Any]) -> Change:
    """A revision whose image or role does not exist yet is a new one in any case."""
    if _is_known(request) or not isinstance(change, NoChange):
        return change
    return Update({"containerDefinitions[0].image": ("as registered", UNKNOWN)})


def _is_known(request: Mapping[str, Any]) -> bool:
    image = request["containerDefinitions"][0]["image"]
    role = request["taskRoleArn"]
    return UNKNOWN not in (image, role)
