"""Health checks: one request per interval to every target."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import httpx

from sandbox.elbv2.data_plane.health import Failure, matches
from sandbox.elbv2.data_plane.state import HealthCheck
from sandbox.elbv2.data_plane.targets import Registration

__all__ = ["Prober"]

_HEADERS: Final = {
    "User-Agent": "ELB-HealthChecker/2.0",
    "Accept-Encoding": "gzip, compressed",
    "Connection": "close",
}
# As in ELBv2, each check has a connection of its own.
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=0)
_FAILED: Final = Failure("Target.FailedHealthChecks", "Health checks failed")
_TIMED_OUT: Final = Failure("Target.Timeout", "Request timed out")


class Prober:
    """
    Checks targets, on the event loop that calls it.

    Args:
        report: Called with each result; None is a pass.
        broken: Whether all checks of the target group of this name fail, as a fault.
    """

    def __init__(
        self, report: Callable[[Registration, Failure | None], None], broken: Callable[[str], bool]
    ) -> None:
        self._report, self._broken = report, broken
        self._running: dict[Registration, tuple[HealthCheck, asyncio.Task[None]]] = {}
        self._client = httpx.AsyncClient(
            headers=_HEADERS,
            limits=_LIMITS,
            timeout=None,  # noqa: S113 - each check has one for all of its steps
            trust_env=False,
            verify=False,  # noqa: S501 - as ELBv2
        )

    def follow(self, checks: Mapping[Registration, HealthCheck]) -> None:
        """Check exactly these from now on; new and changed ones at once."""
        for registration, (check, task) in list(self._running.items()):
            if checks.get(registration) != check:
                task.cancel()
                del self._running[registration]
        loop = asyncio.get_running_loop()
        for registration, check in checks.items():
            if registration not in self._running:
                task = loop.create_task(self._keep_checking(registration, check))
                self._running[registration] = check, task

    async def close(self) -> None:
        """End every check."""
        tasks = [task for _, task in self._running.values()]
        self.follow({})
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _keep_checking(self, registration: Registration, check: HealthCheck) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            failure = await self._check(registration, check)
            if self._broken(registration.group_name):
                failure = _FAILED
            self._report(registration, failure)
            due += check.interval
            await asyncio.sleep(due - loop.time())

    async def _check(self, registration: Registration, check: HealthCheck) -> Failure | None:
        target = registration.target
        port = target.port if check.port == "traffic-port" else int(check.port)
        url = f"{check.protocol.lower()}://{target.address}:{port}{check.path}"
        try:
            async with asyncio.timeout(check.timeout):
                response = await self._client.get(url)
        except TimeoutError:
            return _TIMED_OUT
        except (httpx.HTTPError, httpx.InvalidURL):
            return _FAILED
        if matches(check.matcher, response.status_code):
            return None
        return Failure(
            "Target.ResponseCodeMismatch",
            f"Health checks failed with these codes: [{response.status_code}]",
        )
