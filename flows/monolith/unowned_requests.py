"""The requests that a monolith still gets and no service takes: what prevents its drain."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from config.path_pattern import matches
from config.split import SplitConfig
from tasks.aws.call import call
from tasks.cloudwatch.log_group import read_recent_lines
from tasks.cloudwatch.request_log import requested_paths
from tasks.discovery import Monolith
from tasks.elbv2.target_group import read_target_group

__all__ = ["describe_unowned_requests"]

_PATHS: Final = 5
_LINES: Final = 5


async def describe_unowned_requests(config: SplitConfig, monolith: Monolith, seconds: float) -> str:
    """
    The unowned paths of the last requests in the monolith's log, and its last lines about them.

    Args:
        config: The split.
        monolith: As it runs.
        seconds: How far to look back.

    Returns:
        Further lines for a message. Empty when its log is not in CloudWatch Logs, or has no such
        requests; the load balancer's health checks are left out.
    """
    if monolith.log_group is None:
        return ""
    health_check = await _read_health_check_path(config, monolith)
    since = time.time() - seconds
    lines = await call(read_recent_lines, config.aws, monolith.log_group, since)
    counts = _count_unowned(config, lines, health_check)
    if not counts:
        return ""
    shown = [line for line in lines if counts.keys() & requested_paths([line]).keys()]
    head = (
        f"  requests for {_list_paths(counts)} in the last {seconds:g} s; the last lines of its "
        "log about them:"
    )
    quoted = [f"    | {line}" for line in shown[-_LINES:]]
    return "\n".join(["", head, *quoted])


async def _read_health_check_path(config: SplitConfig, monolith: Monolith) -> str | None:
    group = await call(read_target_group, config.aws, monolith.target_group_name)
    return group.get("HealthCheckPath") if group else None


def _count_unowned(
    config: SplitConfig, lines: Sequence[str], health_check: str | None
) -> Counter[str]:
    counts = requested_paths(lines)
    owned = [path for path in counts if path == health_check or _is_owned(config, path)]
    for path in owned:
        del counts[path]
    return counts


def _is_owned(config: SplitConfig, path: str) -> bool:
    for service in config.services:
        if any(matches(pattern, path) for pattern in service.path_patterns):
            return True
    return False


def _list_paths(counts: Counter[str]) -> str:
    shown = [f"{path} ({count} times)" for path, count in counts.most_common(_PATHS)]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
