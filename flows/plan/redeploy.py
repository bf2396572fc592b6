"""Which services a redeploy changes, and which it leaves alone: pure, from the plan of a split."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from flows.plan.split import ServicePlan
from tasks.aws.change import Conflict, NoChange
from tasks.elbv2.rule_matching import CONTROL, PREVIEW

__all__ = ["RedeployPlan", "plan_redeploy"]

_RULES: Final = frozenset({"listener rule", f"{PREVIEW} rule", f"{CONTROL} rule"})


@dataclass(frozen=True)
class RedeployPlan:
    """What a redeploy does."""

    changed: tuple[ServicePlan, ...] = ()
    """
    Services that get something new, or whose rollout has not ended; without their rules, which stay
    as they are.
    """
    unchanged: tuple[ServicePlan, ...] = ()
    """Services that run what the config asks for."""
    left_alone: dict[str, str] = field(default_factory=dict)
    """Why a service is not redeployed, by name."""
    notes: tuple[str, ...] = ()
    """What is not as the config asks for, and is a split's to change."""

    @property
    def images(self) -> dict[str, str]:
        """The image that each changed service is to run."""
        return {plan.service: plan.image for plan in self.changed}

    @property
    def conflicts(self) -> list[str]:
        """Why the run may not begin."""
        changes = [item.change for plan in self.changed for item in plan.changes]
        return [change.reason for change in changes if isinstance(change, Conflict)]

    def to_build(self) -> list[str]:
        """Services whose image has never been pushed."""
        return [
            plan.service for plan in self.changed if plan.image_tag and plan.state.digest is None
        ]


def plan_redeploy(plans: Sequence[ServicePlan]) -> RedeployPlan:
    """
    Choose the services that are carved out and run something else than they should.

    Args:
        plans: Of `flows.plan.split.plan_split`.
    """
    changed: list[ServicePlan] = []
    unchanged: list[ServicePlan] = []
    left_alone: dict[str, str] = {}
    notes: list[str] = []
    for plan in plans:
        if plan.weight < 100 or plan.state.service is None:
            left_alone[plan.service] = _why_left_alone(plan)
            continue
        own = replace(
            plan,
            steps=(),
            changes=tuple(item for item in plan.changes if item.resource not in _RULES),
        )
        (unchanged if own.settled and _has_ended(plan) else changed).append(own)
        if any(
            not isinstance(item.change, NoChange)
            for item in plan.changes
            if item.resource in _RULES
        ):
            notes.append(
                f"{plan.service}: its listener rules are not as the config asks for; flows.split "
                "changes them"
            )
    return RedeployPlan(tuple(changed), tuple(unchanged), left_alone, tuple(notes))


def _why_left_alone(plan: ServicePlan) -> str:
    conflicts = [item.change.reason for item in plan.changes if isinstance(item.change, Conflict)]
    if conflicts:
        return conflicts[0]
    if plan.weight > 0 and plan.state.service is None:
        return (
            f"its rules give it {plan.weight} % of its requests, but there is no such ECS "
            "service; run flows.split"
        )
    return (
        f"it is not carved out yet: it has {plan.weight} % of its requests; flows.split moves them"
    )


def _has_ended(plan: ServicePlan) -> bool:
    """Whether ECS has finished its last rollout: a run that was killed may have left one."""
    deployments = (plan.state.service or {}).get("deployments", [])
    return len(deployments) == 1 and deployments[0].get("rolloutState", "COMPLETED") == "COMPLETED"
