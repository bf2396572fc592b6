"""Whether users are served: the checks on the public routes, and every service's targets."""

import asyncio
from collections.abc import Mapping, Sequence

from config.errors import CheckFailed, DrainRefused
from config.service import Check
from config.split import SplitConfig
from tasks.aws.call import call
from tasks.discovery import Discovered
from tasks.elbv2.target_group import read_target_health
from tasks.http.checks import run_checks
from tasks.http.client import Route

__all__ = ["verify_public_routes", "verify_services_healthy"]


async def verify_public_routes(config: SplitConfig, discovered: Discovered) -> int:
    """
    Run every check as a user would: those of the services, and those of paths that no service
    takes.

    Returns:
        How many checks passed: all of them.

    Raises:
        CheckFailed: With every finding of every service.
    """
    route = Route(discovered.alb_url)
    runs = [
        run_checks(name, "on the public route", route, checks)
        for name, checks in _all_checks(config).items()
        if checks
    ]
    results = await asyncio.gather(*runs, return_exceptions=True)
    failed = [result for result in results if isinstance(result, CheckFailed)]
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, CheckFailed):
            raise result
    if failed:
        raise _combined(failed)
    return sum(len(checks) for checks in _all_checks(config).values())


def _all_checks(config: SplitConfig) -> dict[str, Sequence[Check]]:
    """The checks by service, the monolith last."""
    checks: dict[str, Sequence[Check]] = {
        service.name: service.checks for service in config.services
    }
    checks[config.monolith.service] = config.monolith.checks
    return checks


def _combined(failed: Sequence[CheckFailed]) -> CheckFailed:
    texts = [str(error) for error in failed]
    count = sum(error.numbers.get("failed", 0) for error in failed)
    return CheckFailed("\n".join(texts), {"failed": count})


async def verify_services_healthy(config: SplitConfig, target_groups: Mapping[str, str]) -> None:
    """
    Verify that every service has a healthy target, also one that settled in an earlier run and has
    no checks.

    Args:
        config: The split.
        target_groups: ARN by service name.

    Raises:
        DrainRefused: One has none.
    """
    for name, group in target_groups.items():
        health = await call(read_target_health, config.aws, group)
        if health.healthy == 0:
            raise DrainRefused(
                f"{config.monolith.service} is not drained: {name} owns paths and has no healthy "
                f"target ({health})"
            )
