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
        seconds: Age of the oldest log line that counts.

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
    head = (
        f"  requests for {_list_paths(counts)} in the last {seconds:g} s; the last lines of its "
        "log about them:"
    )
    quoted = [f"    | {line}" for line in _last_lines_about(counts, lines)]
    return "\n".join(["", head, *quoted])


async def _read_health_check_path(config: SplitConfig, monolith: Monolith) -> str | None:
    group = await call(read_target_group, config.aws, monolith.target_group_name)
    if group is None:
        return None
    return group.get("HealthCheckPath")


def _count_unowned(
    config: SplitConfig, lines: Sequence[str], health_check: str | None
) -> Counter[str]:
    unowned: Counter[str] = Counter()
    for path, count in requested_paths(lines).items():
        if path != health_check and not _is_owned(config, path):
            unowned[path] = count
    return unowned


def _is_owned(config: SplitConfig, path: str) -> bool:
    for service in config.services:
        if any(matches(pattern, path) for pattern in service.path_patterns):
            return True
    return False


def _list_paths(counts: Counter[str]) -> str:
    shown = [f"{path} ({count} times)" for path, count in counts.most_common(_PATHS)]
    text = ", ".join(shown)
    more = len(counts) - len(shown)
    if more:
        text += f" and {more} more"
    return text


def _last_lines_about(counts: Counter[str], lines: Sequence[str]) -> list[str]:
    shown = [line for line in lines if not counts.keys().isdisjoint(requested_paths([line]))]
    return shown[-_LINES:]
