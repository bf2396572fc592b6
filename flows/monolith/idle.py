"""Waits until the monolith has had no request for the quiet period."""

import asyncio
import time
from typing import Final

from prefect import task

from config.errors import DrainRefused
from config.split import SplitConfig
from flows.monolith.unowned_requests import describe_unowned_requests
from flows.record.events import emit
from tasks.aws.call import call
from tasks.cloudwatch.metrics import TargetGroupRef, count_requests
from tasks.discovery import Discovered
from tasks.elbv2.default_action import read_receivers

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
    name = config.monolith.service
    quiet = config.monolith.quiet_period
    emit("drain", None, f"waiting until {name} has had no request for {quiet:g} s")
    requests = await _count_until_quiet(config, discovered)
    if requests:
        raise DrainRefused(await _explain_requests(config, discovered, requests))
    receivers = await _read_receivers(config, discovered)
    if receivers:
        raise DrainRefused(f"{name} is not drained: {receivers} forwards to it again")


async def _count_until_quiet(config: SplitConfig, discovered: Discovered) -> int:
    """0 once the quiet period had no request; its requests when the time for that is over."""
    quiet = config.monolith.quiet_period
    gates = config.traffic.gates
    began = time.time()
    deadline = began + gates.metrics_lag + 3 * quiet + 2 * gates.metrics_period
    while True:
        await asyncio.sleep(min(_PAUSE, quiet))
        now = time.time()
        end = now - gates.metrics_lag
        start = end - quiet - gates.metrics_period
        if start < began:
            continue
        requests = await _count_requests(config, discovered, start, end)
        if requests == 0 or now > deadline:
            return requests


async def _count_requests(
    config: SplitConfig, discovered: Discovered, start: float, end: float
) -> int:
    monolith = discovered.monolith.target_group_arn
    group = TargetGroupRef.of(discovered.load_balancer_arn, monolith)
    return await call(
        count_requests,
        config.aws,
        group,
        start,
        end,
        config.traffic.gates.metrics_period,
    )


async def _read_receivers(config: SplitConfig, discovered: Discovered) -> str:
    """The rules that forward to the monolith; empty without any."""
    monolith = discovered.monolith.target_group_arn
    receivers = await call(read_receivers, config.aws, monolith)
    return ", ".join(receivers)


async def _explain_requests(config: SplitConfig, discovered: Discovered, requests: int) -> str:
    quiet = config.monolith.quiet_period
    receivers = await _read_receivers(config, discovered)
    cause = f"{receivers} forwards to it" if receivers else "no rule forwards to it any more"
    unowned = await describe_unowned_requests(config, discovered.monolith, quiet)
    return (
        f"{config.monolith.service} is not idle: {requests} requests in the last {quiet:g} s, and "
        f"{cause}; add their paths to a service, or stop the clients that send them{unowned}"
    )
