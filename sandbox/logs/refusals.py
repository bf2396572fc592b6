"""CloudWatch Logs requests that AWS refuses."""

from typing import Final

from sandbox.api.call import Call
from sandbox.api.errors import AwsError
from sandbox.api.request import check_limits

__all__ = ["refuse"]

_RETENTIONS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


def refuse(call: Call) -> None:
    """Refuse what CloudWatch Logs refuses. Source: PutRetentionPolicy, CreateLogGroup."""
    check_limits(call, call.parameters, "InvalidParameterException")
    days = call.parameters.get("retentionInDays")
    if call.action == "PutRetentionPolicy" and days not in _RETENTIONS:
        raise AwsError(
            "InvalidParameterException",
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(map(str, _RETENTIONS))}]",
        )
