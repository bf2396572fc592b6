"""Why a task did not start."""

__all__ = ["StartFailed"]


class StartFailed(Exception):
    """Raised when a task cannot be started; the message is what ECS shows as the stopped reason."""
