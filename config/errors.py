"""
Every error that the tool raises on purpose.

    SplitterError
    ├── BadInput              exit 2, nothing was changed
    │   ├── InvalidConfig     the config file or a value in it
    │   ├── PreflightFailed   the environment: credentials, cluster, listener, quotas, engine, …
    │   ├── ResourceConflict  a name is taken by a resource that this split did not make
    │   ├── StalePlan         AWS changed between the plan and the lock
    │   └── RunRefused        another run holds the listener
    └── StepFailed            exit 1, the monolith serves what was not moved
        ├── BuildFailed       an image could not be built or pushed
        ├── ServiceUnhealthy  tasks crash, or never become healthy
        ├── CheckFailed       a check or a parity comparison failed
        ├── GateFailed        a gate failed, and traffic was rolled back to the monolith
        ├── MonolithOverloaded  it fails, and cannot take traffic back
        ├── TrafficConflict   somebody else changed a rule since this tool's last write
        ├── DrainRefused      the monolith is not proven idle
        └── LockLost          another run took the listener over

They cross Prefect's boundaries by pickling, so every argument is a plain value that the base class
stores.
"""

from collections.abc import Mapping
from typing import Any

__all__ = [
    "BadInput",
    "BuildFailed",
    "CheckFailed",
    "DrainRefused",
    "GateFailed",
    "InvalidConfig",
    "LockLost",
    "MonolithOverloaded",
    "PreflightFailed",
    "ResourceConflict",
    "RunRefused",
    "ServiceUnhealthy",
    "SplitterError",
    "StalePlan",
    "StepFailed",
    "TrafficConflict",
]


class SplitterError(Exception):
    """Base of the tree; the message has what failed, on which resource, and what to do next."""


class BadInput(SplitterError):
    """The user has to change something first; nothing in AWS was changed."""


class InvalidConfig(BadInput):
    """Raised when the config cannot be read or a value in it is not valid."""


class PreflightFailed(BadInput):
    """Raised with all findings at once when the environment does not allow the run."""


class ResourceConflict(BadInput):
    """Raised when a resource of the desired name exists and is not this split's."""


class StalePlan(BadInput):
    """Raised when the plan is no longer true once the run has the listener; run again."""


class RunRefused(BadInput):
    """Raised when another run that is alive holds the listener."""


class StepFailed(SplitterError):
    """A step of the split failed; what was not moved is served by the monolith."""


class BuildFailed(StepFailed):
    """Raised when an image cannot be built or pushed."""


class ServiceUnhealthy(StepFailed):
    """Raised when a service's tasks stop, or its targets do not become healthy in time."""


class CheckFailed(StepFailed):
    """Raised when a check or a parity comparison fails; `numbers` says how many did."""

    def __init__(self, message: str = "", numbers: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.numbers = dict(numbers or {})


class GateFailed(StepFailed):
    """Raised when a gate failed and rolled a service's traffic back to the monolith."""


class MonolithOverloaded(StepFailed):
    """Raised when the monolith fails requests, and would fail more if traffic returned to it."""


class TrafficConflict(StepFailed):
    """Raised when a rule is not as this tool left it: traffic stays as somebody else set it."""


class DrainRefused(StepFailed):
    """Raised when the monolith is not proven idle, or the drain was not approved."""


class LockLost(StepFailed):
    """Raised when the run no longer holds its listener."""
