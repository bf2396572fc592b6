"""ECR requests that AWS refuses: names and tags that are not valid."""

from sandbox.api.call import Call
from sandbox.api.request import check_limits

__all__ = ["refuse"]


def refuse(call: Call) -> None:
    """Refuse values outside the service model's limits. Source: ECR API reference."""
    check_limits(call, call.parameters, "InvalidParameterException")
