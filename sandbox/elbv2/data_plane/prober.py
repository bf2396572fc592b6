"""Health checks: one request an interval to every target, each in its own time."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp
from yarl import URL

from sandbox.elbv2.data_plane.health import Failure, matches
from sandbox.elbv2.data_plane.state import HealthCheck
from sandbox.elbv2.data_plane.targets import Registration

__all__ = ["Prober"]

_HEADERS: Final = {"User-Agent": "ELB-HealthChecker/2.0", "Accept-Encoding": "gzip, compressed"}
_FAILED: Final = Failure("Target.FailedHealthChecks", "Health checks failed")
_TIMED_OUT: Final = Failure("Target.Timeout", "Request timed out")


class Prober:
    """
    Checks targets, on the event loop it is used on.

    Args:
        report: Called with each result; None is a pass.
        broken: Whether the checks of a target group of this name fail whatever its targets answer.
    """

    def __init__(
        self, report: Callable[[Registration, Failure | None], None], broken: Callable[[str], bool]
    ) -> None:
        self._report, self._broken = report, broken
        self._running: dict[Registration, tuple[HealthCheck, asyncio.Task[None]]] = {}
        self._session: aiohttp.ClientSession | None = None

    def follow(self, checks: Mapping[Registration, HealthCheck]) -> None:
        """
        Check exactly these from now on; what is new, or checked differently
        than before, at once.
        """
        for registration, (check, task) in list(self._running.items()):
            if checks.get(registration) != check:
                task.cancel()
                del self._running[registration]
        for registration, check in checks.items():
            if registration not in self._running:
                task = asyncio.get_running_loop().create_task(
                    self._keep_checking(registration, check)
                )
                self._running[registration] = check, task

    async def close(self) -> None:
        """End every check."""
        tasks = [task for _, task in self._running.values()]
        self.follow({})
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

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
        url = URL(f"{check.protocol.lower()}://{target.address}:{port}{check.path}", encoded=True)
        try:
            async with (
                asyncio.timeout(check.timeout),
                self._client().get(url, allow_redirects=False) as response,
            ):
                await response.read()
        except TimeoutError:
            return _TIMED_OUT
        except (aiohttp.ClientError, OSError):
            return _FAILED
        if matches(check.matcher, response.status):
            return None
        return Failure(
            "Target.ResponseCodeMismatch",
            f"Health checks failed with these codes: [{response.status}]",
        )

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection of its own for each check, as ELBv2 does; and as many as there are
            # targets.
            connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=False)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=_HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                # asyncio's own timeout is around each check: with aiohttp's, a cancellation that
                # comes at the same moment gets lost.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        return self._session
