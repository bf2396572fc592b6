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
from pathlib import Path
from typing import Final

from sandbox.addresses import Addresses
from sandbox.api.call import Call
from sandbox.api.faults import Faults
from sandbox.api.moto_patches import MotoPatches
from sandbox.cloudwatch import load_balancer_metrics
from sandbox.cloudwatch.metrics import Metrics, Source
from sandbox.elbv2.data_plane import answers
from sandbox.elbv2.data_plane.access_log import read_request
from sandbox.elbv2.data_plane.health import Failure
from sandbox.elbv2.data_plane.nodes import Node, Nodes
from sandbox.elbv2.data_plane.prober import Prober
from sandbox.elbv2.data_plane.proxy import Proxy
from sandbox.elbv2.data_plane.state import Listener, State, read_state
from sandbox.elbv2.data_plane.table import render_table
from sandbox.elbv2.data_plane.targets import Registration, Targets

__all__ = ["LoadBalancers"]

_SERVED: Final = "HTTP"


class LoadBalancers:
    """
    Serves every listener that moto has, on its own thread.

    Args:
        addresses: Where each load balancer gets its loopback address.
        run_dir: The sandbox's folder; files are made in `run_dir/alb`.
        faults: Which target groups' checks fail, and how long rules take to reach all nodes.
        nodes: Nodes of each load balancer.
    """

    def __init__(self, addresses: Addresses, run_dir: Path, faults: Faults, nodes: int = 1) -> None:
        self._addresses = addresses
        self._directory = run_dir / "alb"
        self._targets = Targets()
        self._metrics = Metrics()
        self._prober = Prober(self._report, lambda group: group in faults.plan.unhealthy)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="load-balancers", daemon=True
        )
        self._state = State()
        self._nodes = Nodes(
            self._loop,
            nodes,
            delay=lambda: faults.plan.rule_propagation,
            on_change=lambda node: self._proxies[node].refresh(),
        )
        self._proxies: dict[Node, Proxy] = {}
        self._node_count = nodes
        self._own_addresses: dict[str, list[str]] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()
        self._made = 0

    def patch_moto(self, patches: MotoPatches) -> None:
        """Answer with the real DNS names, target health and metrics."""
        answers.patch_moto(patches, self._addresses.load_balancer, self._targets)
        load_balancer_metrics.patch_moto(patches, self._metrics)

    def node_addresses(self, address: str) -> list[str]:
        """The address of each node alone, for the one on which a load balancer's nodes listen."""
        if self._node_count == 1:
            return [address]
        if address not in self._own_addresses:
            self._own_addresses[address] = [
                self._addresses.load_balancer() for _ in range(self._node_count)
            ]
        return self._own_addresses[address]

    def start(self) -> None:
        """Begin to serve the listeners that exist."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        self._read_state()

    def after(self, call: Call) -> None:
        """Apply what a successful call has changed; called under the endpoint's lock."""
        if call.service == "elbv2":
            self._read_state()

    def close(self) -> None:
        """End HAProxy and every check, and remove the files. Safe to repeat."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            shutil.rmtree(self._directory)
        self._loop.close()

    def _read_state(self) -> None:
        state = read_state()
        # Before the call is answered, so that DescribeTargetHealth never lags behind
        # RegisterTargets.
        self._targets.follow(state)
        self._loop.call_soon_threadsafe(self._apply, state)

    def _apply(self, state: State) -> None:
        self._state = state
        self._prober.follow(self._targets.checks())
        wanted: dict[Node, Listener] = {}
        for listener in filter(self._can_serve, state.listeners):
            wanted.update(dict.fromkeys(self._nodes.of(listener), listener))
        for node in self._proxies.keys() - wanted.keys():
            self._proxies.pop(node).leave()
            self._nodes.remove(node)
        for node, listener in wanted.items():
            if node in self._proxies:
                self._nodes.change(node, listener)
            else:
                self._nodes.add(node, listener)
                self._proxies[node] = self._serve(node, listener)
        self._refresh()

    def _can_serve(self, listener: Listener) -> bool:
        if listener.protocol == _SERVED:
            return True
        if listener.arn not in self._refused:
            self._refused.add(listener.arn)
            print(
                f"sandbox: listener {listener.arn}: protocol {listener.protocol} is not supported; "
                f"use {_SERVED}",
                file=sys.stderr,
                flush=True,
            )
        return False

    def _serve(self, node: Node, listener: Listener) -> Proxy:
        self._made += 1
        directory = self._directory / str(self._made)
        directory.mkdir()
        proxy = Proxy(
            listener,
            self.node_addresses(node.address)[node.number],
            directory,
            render=lambda: self._render(node),
            on_line=lambda line: self._count(listener.load_balancer, line),
        )
        serving = self._loop.create_task(proxy.run())
        self._serving.add(serving)
        serving.add_done_callback(self._served)
        return proxy

    def _served(self, serving: "asyncio.Task[None]") -> None:
        self._serving.discard(serving)
        if not serving.cancelled() and serving.exception():
            traceback.print_exception(serving.exception())

    def _render(self, node: Node) -> str:
        listener = self._nodes.listener(node)
        return render_table(listener, self._state.groups, self._targets.routable())

    def _count(self, load_balancer: str, line: str) -> None:
        request = read_request(line)
        if request:
            source = load_balancer, request.group or ""
            self._metrics.add(source, request.time, request.counted(), request.target_time)

    def _report(self, registration: Registration, failure: Failure | None) -> None:
        if self._targets.report(registration, failure):
            self._refresh()

    def _refresh(self) -> None:
        """Pass on which targets are healthy, to HAProxy and to CloudWatch."""
        for proxy in self._proxies.values():
            proxy.refresh()
        hosts: dict[Source, tuple[int, int]] = {}
        for arn, counts in self._targets.counts().items():
            label = self._state.groups[arn].label
            for load_balancer in self._state.used_by.get(arn, ()):
                hosts[load_balancer, label] = counts["healthy"], counts["unhealthy"]
        self._metrics.set_hosts(hosts, time.time())

    async def _end(self) -> None:
        await self._prober.close()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
