"""Verifies a service: before any user reaches it, and on the public route at the end."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Final

from config.errors import CheckFailed, StepFailed
from flows.record.events import emit
from flows.service.placement import Placement
from flows.service.proof.keep_alive import KeepAliveCheck
from flows.service.proof.routes import verify_forwarded, verify_private_route
from flows.service.proof.served_by import ServedBy
from flows.service.shift import roll_back_to_monolith
from tasks.aws.call import call
from tasks.ecs.wait import wait_until_healthy
from tasks.http.checks import run_checks
from tasks.http.client import Route
from tasks.http.comparison.parity import compare_with_monolith, parity_requests

__all__ = [
    "ON_PUBLIC_ROUTE",
    "emit_checks_passed",
    "emit_failed_check",
    "verify_candidate",
    "verify_public_route",
]

ON_PREVIEW_ROUTE: Final = "on the preview route"
ON_PUBLIC_ROUTE: Final = "on the public route"


async def verify_candidate(placement: Placement, task_definition: str, weight: int) -> None:
    """
    Verify the service on its preview route: stable, healthy, checks passed, parity with the
    monolith.

    Args:
        placement: The service's place on the listener.
        task_definition: ARN of the revision that it should run.
        weight: Percent of its requests that it gets, after an interrupted run more than 0; a
            failure rolls them back to the monolith.

    Raises:
        ServiceUnhealthy: Its tasks stop, or its targets do not become healthy in time.
        CheckFailed: A check or a parity comparison failed.
    """
    keep_alive = KeepAliveCheck(placement)
    try:
        await _verify_private_routes(placement)
        served_by = ServedBy(placement)
        await _wait_until_stable(placement, task_definition)
        await _verify_forwarded(placement, served_by)
        keep_alive.start()
        await _run_preview_checks(placement, served_by.preview)
        await _compare_with_monolith(placement, served_by)
        await served_by.verify()
        await keep_alive.verify()
    except StepFailed as error:
        emit_failed_check(placement.name, error)
        if weight > 0:
            why = "checks failed" if isinstance(error, CheckFailed) else "not healthy"
            await roll_back_to_monolith(placement, why)
        raise
    except Exception as error:
        # After any error, as in a shift, and also at 100%, which `returned_after_failure` keeps: no
        # gate watches what the interrupted run has shifted.
        if weight > 0:
            await roll_back_to_monolith(placement, f"{type(error).__name__}: {error}")
        raise
    finally:
        keep_alive.cancel()


async def verify_public_route(placement: Placement) -> None:
    """
    Run the checks as a user would; while the monolith runs, a failure rolls traffic back to it.

    Raises:
        CheckFailed: A check failed.
    """
    checks = placement.service.own_checks
    try:
        await run_checks(placement.aws, placement.name, ON_PUBLIC_ROUTE, placement.user, checks)
    except StepFailed:
        await roll_back_to_monolith(placement, f"checks failed {ON_PUBLIC_ROUTE}")
        raise


async def _verify_private_routes(placement: Placement) -> None:
    """That requests reach the rules of both; then these forward."""
    await _all_of(
        verify_private_route(placement.config, placement.discovered, private, placement.requests)
        for private in placement.private_routes
    )


async def _verify_forwarded(placement: Placement, served_by: ServedBy) -> None:
    """That the rules of both forward on every node."""
    routes = (served_by.preview, served_by.control)
    await _all_of(
        verify_forwarded(placement.config, private, route, placement.requests)
        for private, route in zip(placement.private_routes, routes, strict=True)
    )


async def _all_of(verifications: Iterable[Awaitable[None]]) -> None:
    """Side by side, and all to their end: none may change a rule after it was deleted."""
    for result in await asyncio.gather(*verifications, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


async def _wait_until_stable(placement: Placement, task_definition: str) -> None:
    health = await wait_until_healthy(
        placement.aws,
        placement.discovered.cluster_arn,
        placement.name,
        task_definition,
        placement.target_group_arn,
        placement.config.stable_timeout,
    )
    numbers = {"healthy_targets": health.healthy}
    emit("note", placement.name, f"stable: {health}", numbers=numbers)


async def _run_preview_checks(placement: Placement, preview: Route) -> None:
    checks = placement.service.own_checks
    passed = await run_checks(placement.aws, placement.name, ON_PREVIEW_ROUTE, preview, checks)
    emit_checks_passed(placement.name, ON_PREVIEW_ROUTE, passed)


async def _compare_with_monolith(placement: Placement, served_by: ServedBy) -> None:
    requests = await call(parity_requests, placement.aws, placement.service)
    if not requests:
        emit("check", placement.name, "parity: no paths configured", verdict="inconclusive")
        return
    result = await compare_with_monolith(
        placement.service, served_by.control, served_by.preview, requests
    )
    emit("check", placement.name, str(result), verdict="pass", numbers=result.numbers)


def emit_checks_passed(name: str, where: str, count: int) -> None:
    """Record that all of a service's checks have passed; without any, nothing is shown."""
    numbers = {"checks": count, "passed": count, "failed": 0}
    if count:
        text = f"checks: {count}/{count} passed {where}"
        emit("check", name, text, verdict="pass", numbers=numbers)
    else:
        emit("check", name, "checks: none configured", verdict="inconclusive", numbers=numbers)


def emit_failed_check(name: str, error: StepFailed) -> None:
    """Record why a service is not fit for traffic."""
    numbers = {}
    if isinstance(error, CheckFailed):
        numbers = error.numbers
    emit("check", name, str(error), verdict="fail", numbers=numbers)
