"""Everything that must be true before the first change; all findings at once."""

import asyncio
from collections.abc import Awaitable, Iterable

from config.errors import InvalidConfig, PreflightFailed, ResourceConflict
from config.split import SplitConfig
from flows.plan.observe import Services, by_place, check_contexts
from flows.plan.options import SplitOptions, unknown_names
from flows.plan.plan_checks import (
    Findings,
    PlanChecks,
    check_alarm_names,
    check_overlaps,
    check_paths_files,
    check_ready_images,
)
from flows.plan.split import Plan
from flows.record.events import emit
from tasks.aws.call import call
from tasks.aws.credentials import read_account
from tasks.aws.explain import why_refused
from tasks.discovery import Discovered, discover
from tasks.preflight.finding import Finding, errors, failure, refuse, warnings

__all__ = ["check_command", "preflight", "survey"]


async def check_command(
    config: SplitConfig, options: SplitOptions, account_id: str | None = None
) -> str:
    """
    Check what needs no Prefect, whose start takes seconds: names, build folders, credentials.

    Args:
        config: The split.
        options: The services that the run works on.
        account_id: Account of the credentials, where it has been read already.

    Returns:
        Account of the credentials.

    Raises:
        PreflightFailed: With every finding.
    """
    lines = [
        *unknown_names(config, "--only", options.only),
        *unknown_names(config, "--adopt", options.adopt),
        *await check_contexts(config),
    ]
    try:
        if account_id is None:
            account_id = await call(read_account, config.aws)
    except PreflightFailed as error:
        raise failure([*lines, *str(error).splitlines()]) from None
    refuse(lines)
    return account_id


async def survey(
    config: SplitConfig, options: SplitOptions, account_id: str | None = None
) -> Discovered:
    """
    Discover the monolith and its environment, which everything else is compared with.

    Args:
        config: The split.
        options: The services that the run works on.
        account_id: As `check_command`.

    Raises:
        PreflightFailed: With every finding that does not depend on what is missing.
    """
    account = await check_command(config, options, account_id)
    names = options.only or [service.name for service in config.services]
    chosen = by_place(config, names)
    try:
        discovered = await discover(config, account)
    except PreflightFailed as error:
        missing = str(error).splitlines()
        raise failure([*missing, *await _independent_errors(config, chosen)]) from None
    if errors(await _all_of([check_ready_images(config, chosen)])):
        raise failure(await _independent_errors(config, chosen))
    return discovered


async def _independent_errors(config: SplitConfig, services: Services) -> list[str]:
    """What is wrong whatever the monolith's environment is."""
    checks = [
        check_ready_images(config, services),
        check_alarm_names(config, services),
        check_paths_files(services),
        check_overlaps(config),
    ]
    return errors(await _all_of(checks))


async def preflight(
    config: SplitConfig, discovered: Discovered, plan: Plan, options: SplitOptions
) -> None:
    """
    Check everything that would make the run fail later; warnings are recorded.

    Raises:
        PreflightFailed: With every finding, each naming field, value and remedy.
        ResourceConflict: The same, where names are taken and nothing else is wrong.
    """
    checks = PlanChecks(config, discovered, plan, options)
    findings = await _all_of(checks.all())
    for text in warnings(findings):
        emit("note", None, text)
    found = errors(findings)
    if plan.conflicts and not found:
        raise failure(plan.conflicts, ResourceConflict)
    refuse([*found, *plan.conflicts])


async def _all_of(checks: Iterable[Awaitable[Findings]]) -> Findings:
    """Run all checks side by side; a call that is denied is a finding as well."""
    findings: Findings = []
    for result in await asyncio.gather(*checks, return_exceptions=True):
        findings += _explain(result) if isinstance(result, BaseException) else result
    return findings


def _explain(error: BaseException) -> Findings:
    if isinstance(error, PreflightFailed | InvalidConfig):
        return [Finding(line) for line in str(error).splitlines()]
    reason = why_refused(error) if isinstance(error, Exception) else None
    if reason:
        return [Finding(reason)]
    raise error
