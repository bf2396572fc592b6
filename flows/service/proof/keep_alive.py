"""Verifies that a service's server keeps idle connections longer than the load balancer does."""

import asyncio

from config.errors import CheckFailed
from flows.record.events import emit
from flows.service.placement import Placement
from tasks.aws.call import call
from tasks.elbv2.listener import read_idle_timeout
from tasks.elbv2.target_group import read_healthy_targets
from tasks.http.keep_alive import Observed, judge_keep_alive, observe_keep_alive

__all__ = ["KeepAliveCheck"]


class KeepAliveCheck:
    """Watches an idle connection to one of the service's targets while other checks run."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._watching: asyncio.Task[tuple[Observed, int] | None] | None = None

    def start(self) -> None:
        """Begin to watch; the service has healthy targets."""
        self._watching = asyncio.create_task(self._watch())

    def cancel(self) -> None:
        """Stop watching; safe at any time."""
        if self._watching:
            self._watching.cancel()

    async def verify(self) -> None:
        """
        Wait for the result, and record it.

        Raises:
            CheckFailed: The server's keep-alive is too short, and the config does not allow it.
        """
        result = await self._watching if self._watching else None
        if result is None:
            return
        observed, idle_timeout = result
        judged = judge_keep_alive(observed, idle_timeout)
        numbers = {**observed.numbers, "idle_timeout": idle_timeout}
        refused = judged.verdict == "fail" and not self._placement.service.keep_alive.allow_short
        if refused:
            raise CheckFailed(f"{self._placement.name}: {judged.text}", numbers)
        emit("check", self._placement.name, judged.text, verdict=judged.verdict, numbers=numbers)

    async def _watch(self) -> tuple[Observed, int] | None:
        """What a healthy target shows, and the load balancer's idle timeout; None without one."""
        placement = self._placement
        aws = placement.aws
        targets = await call(read_healthy_targets, aws, placement.target_group_arn)
        if not targets:
            return None
        idle_timeout = await call(read_idle_timeout, aws, placement.discovered.load_balancer_arn)
        address, port = targets[0]
        service = placement.service
        path, wait = service.health_check.path, service.keep_alive.wait
        observed = await observe_keep_alive(address, port, path, wait, enough=idle_timeout)
        return observed, idle_timeout
