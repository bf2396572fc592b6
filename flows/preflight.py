"""Everything that must hold before the first change; all findings at once."""

import asyncio
from collections.abc import Sequence

from config.errors import PreflightFailed
from config.split import SplitConfig
from flows.plan import Plan
from tasks.image import check_build_files, engine
from tasks.surroundings import Surroundings

__all__ = ["check_names", "preflight"]


async def preflight(config: SplitConfig, around: Surroundings, plan: Plan, only: Sequence[str]) -> None:
    """
    Look for whatever would make the run fail later.

    Raises:
        PreflightFailed: With every finding, each naming field, value and remedy.
    """
    findings = [*check_names(config, only), *_find_drained(config, around, plan)]
    findings += await _find_engine(config, plan)
    if findings:
        raise PreflightFailed("\n".join(["the run cannot begin:", *(f"  {finding}" for finding in findings)]))


def check_names(config: SplitConfig, only: Sequence[str]) -> list[str]:
    """Findings about `--only`, and about build folders, which can be seen without AWS."""
    known = {service.name for service in config.services}
    findings = [
        f"--only: {name} is no service here; choose from {', '.join(sorted(known))}"
        for name in only
        if name not in known
    ]
    for index, service in enumerate(config.services):
        findings += [f"services[{index}].{finding}" for finding in check_build_files(service)]
    return findings


def _find_drained(config: SplitConfig, around: Surroundings, plan: Plan) -> list[str]:
    """A drained monolith cannot serve the paths of a service that is yet to be proven."""
    if around.monolith.desired_count > 0:
        return []
    return [
        f"services.{item.service}: is not carved out yet, and {config.monolith.service} is drained, so nothing would "
        f"serve its paths meanwhile; bring the monolith back with `python -m flows.rollback` first"
        for item in plan.services
        if item.steps
    ]


async def _find_engine(config: SplitConfig, plan: Plan) -> list[str]:
    """An engine is needed only when something has to be built."""
    to_build = [item for item in plan.services if item.image_tag and item.state.digest is None]
    if not to_build:
        return []
    try:
        await asyncio.to_thread(engine, config.docker_host)
    except PreflightFailed as error:
        return [str(error)]
    return []
