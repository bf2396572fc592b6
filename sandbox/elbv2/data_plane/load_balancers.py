"""
The account's load balancers at work: listeners that answer, targets that are checked, metrics that
are counted.
"""

import asyncio
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from sandbox.addresses import Addresses
from sandbox.api.call import Call
from sandbox.api.faults import Faults
from sandbox.cloudwatch.load_balancer_metrics import serve_metrics
from sandbox.cloudwatch.metrics import Metrics
from sandbox.elbv2.data_plane.access_log import read_request
from sandbox.elbv2.data_plane.answers import serve_dns_names, serve_target_health
from sandbox.elbv2.data_plane.health import Failure
from sandbox.elbv2.data_plane.prober import Prober
from sandbox.elbv2.data_plane.proxy import Proxy
from sandbox.elbv2.data_plane.state import Listener, State, read_state
from sandbox.elbv2.data_plane.table import render_table
from sandbox.elbv2.data_plane.targets import Registration, Targets

__all__ = ["LoadBalancers"]

_SERVED: Final = "HTTP"


class LoadBalancers:
    """
    Serves every listener that moto knows of, on a thread of its own.

    Args:
        endpoint_url: The served AWS API.
        addresses: Where each load balancer gets its loopback address.
        run_dir: A directory of this run; files are made below `run_dir/alb`.
        faults: Which target groups' checks fail.
    """

    def __init__(
        self, endpoint_url: str, addresses: Addresses, run_dir: Path, faults: Faults
    ) -> None:
        del endpoint_url  # the state is read from moto itself: see state.py
        self._addresses, self._directory, self._faults = addresses, run_dir / "alb", faults
        self._targets, self._metrics, self._patches = Targets(), Metrics(), ExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="load-balancers", daemon=True
        )
        self._prober = Prober(self._report, lambda group: group in self._faults.plan.unhealthy)
        self._proxies: dict[_Place, tuple[Proxy, asyncio.Task[None]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._state = State()
        self._refused: set[str] = set()
        self._made = 0

    def start(self) -> None:
        """Begin to serve what is there."""
        self._directory.mkdir(parents=True, exist_ok=True)
        serve_dns_names(self._addresses.load_balancer, self._patches)
        serve_target_health(self._targets, self._patches)
        serve_metrics(self._metrics, self._patches)
        self._thread.start()
        self._take_over()

    def after(self, call: Call) -> None:
        """
        Take over what a successful call has changed; the control plane holds
        its lock meanwhile.
        """
        if call.service == "elbv2":
            self._take_over()

    def close(self) -> None:
        """
        End HAProxy and every check, remove the files, and give moto its own answers back. Safe to
        repeat.
        """
        self._patches.close()
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._directory)

    def _take_over(self) -> None:
        state = read_state()
        # Before the call is answered, so that DescribeTargetHealth never lags behind
        # RegisterTargets.
        self._targets.follow(state)
        self._loop.call_soon_threadsafe(self._follow, state)

    def _follow(self, state: State) -> None:
        self._state = state
        self._prober.follow(self._targets.checks())
        wanted = {
            _place(listener): listener for listener in state.listeners if self._can_serve(listener)
        }
        for place in self._proxies.keys() - wanted.keys():
            proxy, serving = self._proxies.pop(place)
            self._leaving.add(serving)
            serving.add_done_callback(self._leaving.discard)
            proxy.leave()
        for place in wanted.keys() - self._proxies.keys():
            self._proxies[place] = self._serve(place, wanted[place])
        self._refresh()

    def _can_serve(self, listener: Listener) -> bool:
        if listener.protocol == _SERVED:
            return True
        if listener.arn not in self._refused:
            self._refused.add(listener.arn)
            print(
                f"listener {listener.arn}: {listener.protocol} is not served by the sandbox; use "
                f"{_SERVED}",
                file=sys.stderr,
                flush=True,
            )
        return False

    def _serve(self, place: "_Place", listener: Listener) -> "tuple[Proxy, asyncio.Task[None]]":
        self._made += 1
        directory = self._directory / str(self._made)
        directory.mkdir()
        proxy = Proxy(
            listener,
            directory,
            render=lambda: self._render(place),
            on_line=lambda line: self._count(listener.load_balancer, line),
        )
        return proxy, self._spawn(proxy.run())

    def _render(self, place: "_Place") -> str:
        listener = next(listener for listener in self._state.listeners if _place(listener) == place)
        return render_table(listener, self._state.groups, self._targets.routable())

    def _count(self, load_balancer: str, line: str) -> None:
        request = read_request(line)
        if request:
            self._metrics.add(load_balancer, request)

    def _report(self, registration: Registration, failure: Failure | None) -> None:
        if self._targets.report(registration, failure):
            self._refresh()

    def _refresh(self) -> None:
        for proxy, _ in self._proxies.values():
            proxy.refresh()
        hosts = {
            (load_balancer, self._state.groups[arn].label): (counts["healthy"], counts["unhealthy"])
            for arn, counts in self._targets.counts().items()
            for load_balancer in self._state.used_by.get(arn, ())
        }
        self._metrics.set_hosts(hosts, time.time())

    async def _end(self) -> None:
        await self._prober.close()
        serving = [task for _, task in self._proxies.values()] + list(self._leaving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        task.add_done_callback(_tell_failure)
        return task


_Place = tuple[str, str, int]


def _place(listener: Listener) -> _Place:
    """A listener that moves to another port is served by another HAProxy."""
    return listener.arn, listener.address, listener.port


def _tell_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception():
        traceback.print_exception(task.exception())
