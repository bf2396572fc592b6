"""
Which requests a monolith still gets that no service takes: what stands between
it and its drain.
"""

import time
from typing import Final

from config.path_pattern import matches
from config.split import SplitConfig
from tasks.aws.call import call
from tasks.cloudwatch.log_group import read_recent_lines
from tasks.cloudwatch.request_log import requested_paths
from tasks.discovery import Monolith
from tasks.elbv2.target_group import read_target_group

__all__ = ["stray_requests"]

_PATHS: Final = 5
_LINES: Final = 5


async def stray_requests(config: SplitConfig, monolith: Monolith, seconds: float) -> str:
    """
    The unowned paths of the last requests in the monolith's log, and its last lines, as further
    lines of a message.

    Empty when its log is not in CloudWatch Logs, or tells of none. The load balancer's own checks
    are left out.

    Args:
        config: The split.
        monolith: As it runs.
        seconds: How far to look back.
    """
    if monolith.log_group is None:
        return ""
    group = await call(read_target_group, config.aws, monolith.target_group_name)
    check = (group or {}).get("HealthCheckPath")
    lines = await call(read_recent_lines, config.aws, monolith.log_group, time.time() - seconds)
    owned = [pattern for service in config.services for pattern in service.path_patterns]
    strays = {
        path: count
        for path, count in requested_paths(lines).most_common()
        if path != check and not any(matches(pattern, path) for pattern in owned)
    }
    if not strays:
        return ""
    named = ", ".join(f"{path} ({count} times)" for path, count in list(strays.items())[:_PATHS])
    more = f" and {len(strays) - _PATHS} more" if len(strays) > _PATHS else ""
    shown = [line for line in lines if strays.keys() & requested_paths([line]).keys()][-_LINES:]
    text = [
        (
            f"it was asked for {named}{more} in the last {seconds:g} s; the last lines of its log "
            "about them:"
        )
    ]
    return "\n".join(["", *(f"  {line}" for line in text), *(f"    | {line}" for line in shown)])
