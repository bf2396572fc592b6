"""Waits until the monolith has had no request for the quiet period."""

import asyncio
import time
from typing import Final

from prefect import task

from config.errors import DrainRefused
from config.split import SplitConfig
from flows.monolith.site import Site
from flows.monolith.unowned_requests import describe_unowned_requests
from tasks.aws.call import call
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests
from tasks.discovery import Discovered

__all__ = ["wait_until_idle"]

_PAUSE: Final = 1.0


@task(
    name="prove monolith idle",
    task_run_name="prove {config.monolith.service} idle",
    persist_result=False,
)
async def wait_until_idle(config: SplitConfig, discovered: Discovered) -> None:
    """
    Wait until no request has reached the monolith for the quiet period.

    Raises:
        DrainRefused: Requests still reach it, or a rule forwards to it again; the message has the
            rules, and the last lines of its log.
    """
    site = Site(config, discovered)
    quiet = site.settings.quiet_seconds
    site.emit(f"waiting until {site.name} has had no request for {quiet:g} s", seconds=quiet)
    requests = await _count_until_quiet(site)
    if requests:
        raise DrainRefused(await _explain_requests(site, requests))
    receivers = await site.read_receivers()
    if receivers:
        raise DrainRefused(f"{site.name} is not drained: {receivers} forwards to it again")


async def _count_until_quiet(site: Site) -> int:
    """0 once the quiet period had no request; its requests when the time for that is over."""
    quiet = site.settings.quiet_seconds
    gates = site.config.traffic.gates
    began = time.time()
    deadline = began + gates.metrics_lag + 3 * quiet + 2 * gates.metrics_period
    while True:
        await asyncio.sleep(min(_PAUSE, quiet))
        now = time.time()
        end = now - gates.metrics_lag
        start = end - quiet - gates.metrics_period
        if start < began:
            continue
        requests = await _count_requests(site, start, end)
        if requests == 0 or now > deadline:
            return requests


async def _count_requests(site: Site, start: float, end: float) -> int:
    balancer = site.discovered.load_balancer_arn
    return await call(
        count_requests,
        site.aws,
        TargetGroupRef.of(balancer, site.group_arn),
        start,
        end,
        site.config.traffic.gates.metrics_period,
    )


async def _explain_requests(site: Site, requests: int) -> str:
    quiet = site.settings.quiet_seconds
    cause = "no rule forwards to it any more"
    receivers = await site.read_receivers()
    if receivers:
        cause = f"{receivers} forwards to it"
    unowned = await describe_unowned_requests(site.config, site.discovered.monolith, quiet)
    return (
        f"{site.name} is not idle: {requests} requests in the last {quiet:g} s, and {cause}; "
        f"add their paths to a service, or stop the clients that send them{unowned}"
    )
