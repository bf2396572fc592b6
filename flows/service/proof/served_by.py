"""
Which target group answered the requests of a verification.

The nonce has shown that requests with the secret header reach the preview and control rules. What
it cannot show: that no rule was put in front of them since, and that no cache on the way answers
for the load balancer. So the responses of a verification count only if each names its backend in
`listener.backend_header`, or if the service's target group has counted as many requests as were
sent.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from config.errors import CheckFailed
from flows.record.events import emit
from flows.service.placement import Placement
from flows.service.step.monolith_requests import add_sent
from flows.service.step.probes import Probes
from tasks.aws.call import call
from tasks.cloudwatch.metrics import Window, count_requests
from tasks.http.client import PREVIEW_HEADER, Response, Route, fetch, open_session
from tasks.http.nonce import nonce_of
from tasks.http.request import Request

__all__ = ["ServedBy"]

_UNTIL_COUNTED: Final = 5.0
"""Least seconds to wait for a count beyond the lag of the metrics."""
_LONGEST_PAUSE: Final = 5.0
_SHOWN: Final = 5
_WITHOUT_TARGET: Final = (0, 503)
"""No response, or the load balancer's own: it counts a request only where it chose a target."""


@dataclass(frozen=True)
class _Answer:
    """What is kept of a response; its body may be large."""

    request: Request
    status: int
    backend: str
    """Its name in the backend header; empty without one."""
    is_cached: bool
    is_nonce: bool


class ServedBy:
    """
    Records what is sent on the private routes of a verification, and who answered.

    Args:
        placement: The service's place on the listener; its routes have just been proven.
        where: The route to the service, for messages.
    """

    def __init__(self, placement: Placement, where: str = "on the preview route") -> None:
        self._placement = placement
        self._where = where
        self._header = placement.config.listener.backend_header
        self._began = time.time()
        self._preview: list[_Answer] = []
        self._control: list[_Answer] = []
        self._probes = Probes()
        add_sent(self._sent_to_monolith)
        self._nonce = _nonce_of(placement.preview)

    @property
    def preview(self) -> Route:
        """The preview route, recorded."""
        return self._placement.preview.recording_in(self._recorder(self._preview))

    @property
    def control(self) -> Route:
        """The control route, recorded; its failures are not the monolith's suffering."""
        record_answer = self._recorder(self._control)

        def record(request: Request, response: Response) -> None:
            record_answer(request, response)
            self._probes.record_monolith([response])

        return self._placement.control.recording_in(record)

    def _sent_to_monolith(self, start: float, end: float) -> Window:
        return self._probes.sent_to_monolith(start, end, 0)

    def _recorder(self, answers: list[_Answer]) -> Callable[[Request, Response], None]:
        def record(request: Request, response: Response) -> None:
            answer = _Answer(
                request=request,
                status=response.status,
                backend=str(response.headers.get(self._header or "", "")),
                is_cached=response.is_from_cdn_cache,
                is_nonce=self._nonce is not None and response.body == self._nonce,
            )
            answers.append(answer)

        return record

    async def verify(self) -> None:
        """
        Verify that the service's target group answered what was sent on the preview route.

        Raises:
            CheckFailed: It did not, or it is not known.
        """
        if not self._preview:
            return
        self._refuse_cached()
        if self._header and await self._is_shown_by_header(self._header):
            return
        await self._wait_until_counted()

    def _refuse_cached(self) -> None:
        answers = [*self._preview, *self._control]
        cached = [answer.request for answer in answers if answer.is_cached]
        if cached:
            raise CheckFailed(
                f"{self._placement.name}: {_listed(cached)}: answered by a cache before the load "
                "balancer, so it is not known what the service answers; set listener.url to the "
                f"load balancer itself ({self._placement.discovered.balancer_url})"
            )

    async def _is_shown_by_header(self, header: str) -> bool:
        """
        Whether the header shows that the service answered everything.

        Raises:
            CheckFailed: It shows that the monolith answered some of it.
        """
        monolith = await self._monolith_names()
        names = {answer.backend for answer in self._preview}
        if not monolith or names <= monolith:
            self._emit_not_distinct(header, monolith)
            return False
        wrong = [answer.request for answer in self._preview if answer.backend in monolith]
        if wrong:
            raise CheckFailed(
                f"{self._placement.name}: {_listed(wrong)}: answered by the monolith "
                f"{self._where}; check which other rule matches it"
            )
        return "" not in names

    async def _monolith_names(self) -> set[str]:
        """What the header holds on the control route; asked once where nothing was sent yet."""
        if not self._control:
            async with open_session() as session:
                for request in self._placement.requests[:1]:
                    await fetch(session, self.control, request)
        return {answer.backend for answer in self._control} - {""}

    def _emit_not_distinct(self, header: str, monolith: set[str]) -> None:
        found = f"header {header} does not name the monolith"
        if monolith:
            found = f"header {header} names {', '.join(sorted(monolith))} on both routes"
        text = (
            f"{found}, so it does not show which of the two answered: reading CloudWatch's request "
            "counts instead"
        )
        emit("note", self._placement.name, text)

    async def _wait_until_counted(self) -> None:
        """
        Wait once, after all requests, until CloudWatch has counted them.

        At weight 0 nothing else reaches the service's target group. In a run that goes on at a
        higher weight users do as well: there the nonce is what proves the route. After a rollout,
        a count that has not grown shows that somebody else has the service's requests.
        """
        sent = max(1, self._sent())
        gates = self._placement.gates
        patience = max(_UNTIL_COUNTED, gates.metrics_period)
        deadline = time.time() + gates.metrics_lag + gates.metrics_period + patience
        while True:
            counted = await self._count()
            if counted >= sent:
                self._emit_counted(sent, counted)
                return
            if time.time() > deadline:
                raise CheckFailed(self._explain(sent, counted), {"sent": sent, "counted": counted})
            await asyncio.sleep(min(gates.metrics_period, _LONGEST_PAUSE))

    def _sent(self) -> int:
        """The requests that a target group must have counted."""
        counted = [
            answer
            for answer in self._preview
            if not answer.is_nonce and answer.status not in _WITHOUT_TARGET
        ]
        return len(counted)

    async def _count(self) -> int:
        """What CloudWatch has counted for the service's target group since the routes' proof."""
        placement = self._placement
        period = placement.gates.metrics_period
        return await call(
            count_requests,
            placement.aws,
            placement.metrics_of(placement.target_group_arn),
            math.floor(self._began / period) * period,
            time.time() + period,
            period,
        )

    def _emit_counted(self, sent: int, counted: int) -> None:
        text = f"served by: {self._placement.service.target_group} counted {counted} of {sent} sent"
        numbers = {"sent": sent, "counted": counted}
        emit("check", self._placement.name, text, verdict="pass", numbers=numbers)

    def _explain(self, sent: int, counted: int) -> str:
        placement = self._placement
        return (
            f"{placement.name}: {sent} requests were sent {self._where}, and its target group "
            f"{placement.service.target_group} counted {counted}: something else answered them, "
            "so no check was about the service. Check which other rule matches "
            f"{_listed([answer.request for answer in self._preview])}, and whether "
            f"{placement.discovered.alb_url} is cached; raise metrics_lag if CloudWatch is later "
            "than that"
        )


def _nonce_of(route: Route) -> bytes | None:
    """That of a private route; None for the public one."""
    if PREVIEW_HEADER not in route.headers:
        return None
    return nonce_of(route).encode()


def _listed(requests: list[Request]) -> str:
    """Some of the requests, each once."""
    distinct = list(dict.fromkeys(map(str, requests)))
    shown = ", ".join(distinct[:_SHOWN])
    more = len(distinct) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
