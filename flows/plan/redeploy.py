"""The plan of a redeploy: which services it changes, and which it leaves alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from flows.plan.change import PlannedChange, Row, ServicePlan, service_plan_rows
from tasks.aws.change import Conflict
from tasks.elbv2.rule_matching import CONTROL, PREVIEW

__all__ = ["RedeployPlan", "plan_redeploy"]

_PATH_RULE: Final = "listener rule"
_RULES: Final = frozenset({_PATH_RULE, f"{PREVIEW} rule", f"{CONTROL} rule"})


@dataclass(frozen=True)
class RedeployPlan:
    """What a redeploy does."""

    changed: tuple[ServicePlan, ...] = ()
    """
    Services that get something new, or whose rollout has not ended; without their listener rules,
    which a redeploy does not change; those that somebody else has edited are conflicts.
    """
    unchanged: tuple[ServicePlan, ...] = ()
    """Services that run what the config asks for."""
    left_alone: Mapping[str, str] = field(default_factory=dict)
    """Why a service is not redeployed, by name."""
    notes: tuple[str, ...] = ()
    """Drift that only a split corrects."""
    images: Mapping[str, str] = field(default_factory=dict)
    """The image that each service is to run, also of those left alone."""

    @property
    def conflicts(self) -> list[str]:
        """Why the run may not begin."""
        found: list[str] = []
        for plan in self.changed:
            found += plan.conflicts
        return found

    def to_build(self) -> list[str]:
        """Services whose image has never been pushed."""
        return [plan.service for plan in self.changed if plan.needs_build]

    def rows(self, *, full: bool = False) -> list[Row]:
        """
        As a table: service, resource, name, action, details.

        Args:
            full: Whether long values are shown in full.
        """
        return service_plan_rows((*self.changed, *self.unchanged), full=full)


def plan_redeploy(plans: Iterable[ServicePlan]) -> RedeployPlan:
    """
    Choose the services that are split off and differ from what they should run.

    Args:
        plans: Of `flows.plan.split.plan_split`.
    """
    changed: list[ServicePlan] = []
    unchanged: list[ServicePlan] = []
    left_alone: dict[str, str] = {}
    notes: list[str] = []
    images: dict[str, str] = {}
    for plan in plans:
        images[plan.service] = plan.image
        if not _is_split_off(plan):
            left_alone[plan.service] = _why_left_alone(plan)
            continue
        own = _without_rules(plan)
        if _is_settled(own):
            unchanged.append(own)
        else:
            changed.append(_with_edited_rules(own, plan))
        if plan.note:
            notes.append(f"{plan.service}: {plan.note}")
        notes += _rule_notes(plan)
    return RedeployPlan(tuple(changed), tuple(unchanged), left_alone, tuple(notes), images)


def _is_split_off(plan: ServicePlan) -> bool:
    """Whether the service has all requests for its paths."""
    return plan.weight == 100 and plan.state.service is not None


def _is_settled(plan: ServicePlan) -> bool:
    """Whether it runs what it should, and ECS has finished its last rollout."""
    service = plan.state.service or {}
    return plan.settled and _rollout_has_ended(service)


def _without_rules(plan: ServicePlan) -> ServicePlan:
    """What of the plan is a redeploy's to do."""
    changes = tuple(item for item in plan.changes if item.resource not in _RULES)
    return replace(plan, steps=(), changes=changes)


def _with_edited_rules(own: ServicePlan, plan: ServicePlan) -> ServicePlan:
    """
    With the path rules that somebody else changed or overtook: these are conflicts, as the checks
    after the rollout go through them.

    Args:
        own: What of the plan is a redeploy's to do.
        plan: The plan.
    """
    edited = [item for item in plan.changes if _is_edited_path_rule(item)]
    return replace(own, changes=(*own.changes, *edited))


def _is_edited_path_rule(item: PlannedChange) -> bool:
    if item.resource != _PATH_RULE or not isinstance(item.change, Conflict):
        return False
    return not item.change.by_config


def _rule_notes(plan: ServicePlan) -> list[str]:
    """What of its listener rules differs from the config, or was edited by somebody else."""
    rules = [item for item in plan.changes if item.resource in _RULES]
    conflicts = [item.conflict for item in rules if item.conflict]
    if conflicts:
        return [f"{plan.service}: {reason}" for reason in conflicts]
    if all(rule.is_done for rule in rules):
        return []
    return [f"{plan.service}: its listener rules drift; flows.split corrects them"]


def _why_left_alone(plan: ServicePlan) -> str:
    if plan.conflicts:
        return plan.conflicts[0]
    if plan.weight > 0 and plan.state.service is None:
        return (
            f"its rules send it {plan.weight}% of its requests, but there is no such ECS service; "
            "run flows.split"
        )
    return f"not split off yet: it gets {plan.weight}% of its requests; run flows.split"


def _rollout_has_ended(service: Mapping[str, Any]) -> bool:
    """A killed run may have left one."""
    deployments = service.get("deployments", [])
    rollouts = [item.get("rolloutState", "COMPLETED") for item in deployments]
    return rollouts == ["COMPLETED"]
