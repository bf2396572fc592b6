"""The health of one target, as ELBv2 changes it after each check."""

from dataclasses import dataclass
from typing import Final

from sandbox.elbv2.data_plane.state import HealthCheck

__all__ = ["DRAINING", "NOT_REGISTERED", "REGISTERING", "UNUSED", "Failure", "Health", "matches"]


@dataclass(frozen=True)
class Failure:
    """Why a check failed, in ELBv2's wording."""

    reason: str
    description: str


@dataclass(frozen=True)
class Health:
    """
    A target's state, and how many checks in a row have contradicted it.

    Source: ELBv2 user guide, "Target health status" and "Target health reason codes".
    """

    state: str
    reason: str | None = None
    description: str | None = None
    streak: int = 0

    def after_pass(self, check: HealthCheck) -> "Health":
        """A new target is healthy after one passed check, an unhealthy one after the threshold."""
        streak = self.streak + 1
        if self.state == "unhealthy" and streak < check.healthy_threshold:
            return Health(self.state, self.reason, self.description, streak)
        return Health("healthy")

    def after_failure(self, check: HealthCheck, failure: Failure) -> "Health":
        """A target is unhealthy after as many failed checks in a row as the threshold."""
        if self.state == "unhealthy" or self.streak + 1 >= check.unhealthy_threshold:
            return Health("unhealthy", failure.reason, failure.description)
        known = CHECKING if self.state == "initial" else self
        return Health(known.state, known.reason, known.description, self.streak + 1)


REGISTERING: Final = Health(
    "initial", "Elb.RegistrationInProgress", "Target registration is in progress"
)
CHECKING: Final = Health(
    "initial", "Elb.InitialHealthChecking", "Initial health checks in progress"
)
DRAINING: Final = Health(
    "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
)
NOT_REGISTERED: Final = Health(
    "unused", "Target.NotRegistered", "Target is not registered to the target group"
)
UNUSED: Final = Health(
    "unused",
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)


def matches(matcher: str, status: int) -> bool:
    """Whether a status code meets a matcher such as `200`, `200,202` or `200-299`."""
    for part in matcher.split(","):
        first, _, last = part.strip().partition("-")
        if first and int(first) <= status <= int(last or first):
            return True
    return False
