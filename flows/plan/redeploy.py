"""The plan of a redeploy: which services it changes, and which it leaves alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from flows.plan.change import PlannedChange, Row, ServicePlan, service_plan_rows
from tasks.aws.change import NoChange
from tasks.elbv2.rule_matching import CONTROL, PREVIEW

__all__ = ["RedeployPlan", "plan_redeploy"]

_RULES: Final = frozenset({"listener rule", f"{PREVIEW} rule", f"{CONTROL} rule"})


@dataclass(frozen=True)
class RedeployPlan:
    """What a redeploy does."""

    changed: tuple[ServicePlan, ...] = ()
    """
    Services that get something new, or whose rollout has not ended; without their listener rules,
    which a redeploy does not change.
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
        if plan.weight < 100 or plan.state.service is None:
            left_alone[plan.service] = _why_left_alone(plan)
            continue
        own = _without_rules(plan)
        if own.settled and _rollout_has_ended(plan.state.service):
            unchanged.append(own)
        else:
            changed.append(own)
        if _rules_drift(plan.changes):
            notes.append(f"{plan.service}: its listener rules drift; flows.split corrects them")
    return RedeployPlan(tuple(changed), tuple(unchanged), left_alone, tuple(notes), images)


def _without_rules(plan: ServicePlan) -> ServicePlan:
    changes = tuple(item for item in plan.changes if item.resource not in _RULES)
    return replace(plan, steps=(), changes=changes)


def _rules_drift(changes: Iterable[PlannedChange]) -> bool:
    rules = [item for item in changes if item.resource in _RULES]
    return not all(isinstance(rule.change, NoChange) for rule in rules)


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
    """Whether ECS has finished its last rollout: a killed run may have left one."""
    deployments = service.get("deployments", [])
    if len(deployments) != 1:
        return False
    return bool(deployments[0].get("rolloutState", "COMPLETED") == "COMPLETED")
