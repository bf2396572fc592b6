"""Whether users are served: the checks on the public routes, and every service's targets."""

import asyncio
from collections.abc import Mapping, Sequence

from config.errors import CheckFailed, DrainRefused
from config.proof.requests import Check
from config.split import SplitConfig
from tasks.aws.call import call
from tasks.discovery import Discovered
from tasks.elbv2.target_group import read_target_health
from tasks.http.checks import run_checks

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
    route = discovered.route()
    runs = [
        run_checks(config.aws, name, "on the public route", route, checks)
        for name, checks in _all_checks(config).items()
    ]
    results = await asyncio.gather(*runs, return_exceptions=True)
    return _sum_up(results)


def _all_checks(config: SplitConfig) -> dict[str, Sequence[Check]]:
    """The checks by service, the monolith last; without those that have none."""
    checks: dict[str, Sequence[Check]] = {}
    for service in config.services:
        if service.checks:
            checks[service.name] = service.own_checks
    if config.monolith.checks:
        checks[config.monolith.service] = config.monolith.checks
    return checks


def _sum_up(results: Sequence[int | BaseException]) -> int:
    """How many checks passed; raises what failed."""
    passed = 0
    failed = []
    for result in results:
        if isinstance(result, CheckFailed):
            failed.append(result)
        elif isinstance(result, BaseException):
            raise result
        else:
            passed += result
    if failed:
        raise _combined(failed)
    return passed


def _combined(failed: Sequence[CheckFailed]) -> CheckFailed:
    texts = []
    count = 0
    for error in failed:
        texts.append(str(error))
        count += error.numbers.get("failed", 0)
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
            reason = f"{name} owns paths and has no healthy target ({health})"
            raise DrainRefused(f"{config.monolith.service} is not drained: {reason}")
