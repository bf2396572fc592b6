"""Names, ids, ARNs and pages, as ECS has them."""

import random
import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.api.internal import ACCOUNT, REGION

__all__ = ["arn", "cluster_name", "deployment_number", "last_part", "now", "page", "task_id"]


def arn(kind: str, *parts: str) -> str:
    """An ARN such as `arn:aws:ecs:us-east-1:123456789012:service/forum/users`."""
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:{kind}/{'/'.join(parts)}"


def last_part(name_or_arn: str) -> str:
    """The name in an ARN, or the name."""
    return name_or_arn.rpartition("/")[2]


def cluster_name(parameters: dict[str, Any]) -> str:
    """The cluster of a request; `default` when none is named, as in AWS."""
    return last_part(parameters.get("cluster") or "default")


def task_id() -> str:
    """A task id: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def deployment_number() -> str:
    """The 19 digits after `ecs-svc/`."""
    return str(random.randint(10**18, 10**19 - 1))  # noqa: S311 - an id, not a secret


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def page(name: str, items: list[str], parameters: dict[str, Any], default: int) -> dict[str, Any]:
    """One page of a listing; the token is the index of the next item."""
    first = int(parameters.get("nextToken") or 0)
    size = int(parameters.get("maxResults") or default)
    answer: dict[str, Any] = {name: items[first : first + size]}
    if first + size < len(items):
        answer["nextToken"] = str(first + size)
    return answer
