"""The errors of ECS for a service that was deleted, which do not name it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import botocore.exceptions

from config.errors import ServiceUnhealthy

__all__ = ["is_draining", "named_where_not_active"]

_DELETED: Final = frozenset({"ServiceNotActiveException", "ServiceNotFoundException"})
# These two share their code with lasting refusals. Parts of their messages, in lower case.
_DELETED_MESSAGES: Final = ("still draining", "is inactive")


@contextmanager
def named_where_not_active(service: str) -> Iterator[None]:
    """
    Name the service where ECS refuses a call because it was deleted.

    ECS keeps a deleted service as DRAINING until its tasks have stopped, then for a while as
    INACTIVE.

    Args:
        service: ECS service name.

    Raises:
        ServiceUnhealthy: Instead of ServiceNotActiveException and the like.

    Source: ECS CreateService, UpdateService, TagResource.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        if not _was_deleted(error):
            raise
        raise ServiceUnhealthy(
            f"ECS service {service} was deleted, or is being deleted ({_message(error)}): find out "
            "who did it in CloudTrail (DeleteService); run again once `aws ecs describe-services` "
            "shows it as INACTIVE"
        ) from None


def _was_deleted(error: botocore.exceptions.ClientError) -> bool:
    """Whether ECS refused a call for a service that is not active."""
    if error.response["Error"]["Code"] in _DELETED:
        return True
    message = _message(error).lower()
    return any(part in message for part in _DELETED_MESSAGES)


def _message(error: botocore.exceptions.ClientError) -> str:
    """ECS's own words."""
    return str(error.response["Error"].get("Message", ""))


def is_draining(service: Mapping[str, Any] | None) -> bool:
    """
    Whether a service was deleted, and its tasks still stop.

    Args:
        service: ECS's description; None when it does not exist.
    """
    return service is not None and service.get("status") == "DRAINING"
