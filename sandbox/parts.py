"""The sandbox's parts: each is made with all that it needs, and they end in reverse order."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from sandbox import strictness
from sandbox.addresses import Addresses
from sandbox.api import moto_speed
from sandbox.api.call import Call
from sandbox.api.endpoint import AwsEndpoint
from sandbox.api.faults import Faults, parse_faults
from sandbox.api.moto_patches import MotoPatches
from sandbox.api.record import Record
from sandbox.api.serving import LoopbackServer
from sandbox.ecr.registry import Registry
from sandbox.ecs.ecs import Ecs
from sandbox.elbv2.data_plane.load_balancers import LoadBalancers
from sandbox.engine.base import Engine
from sandbox.engine.find import find_engine
from sandbox.run_dir import run_dir

__all__ = ["Parts", "running_parts"]


class _Closable(Protocol):
    def close(self) -> None: ...


_Part = TypeVar("_Part", bound=_Closable)


@dataclass(frozen=True)
class Parts:
    """The running parts, as far as others use them."""

    endpoint_url: str
    engine: Engine
    addresses: Addresses
    faults: Faults
    run_dir: Path
    """Folder of every file of this run; deleted at its end."""
    node_addresses: Callable[[str], list[str]]
    """The address of each node of a load balancer, from the load balancer's own address."""


@contextlib.contextmanager
def running_parts(engine: str, api_port: int, record: Path | None, nodes: int) -> Iterator[Parts]:
    """
    Run every part of the sandbox; the account is empty.

    Args:
        engine: auto, docker or process.
        api_port: Port of the AWS API; 0 for any free one.
        record: File to which users' calls are appended.
        nodes: Nodes of each load balancer.

    Raises:
        PortTaken: The port of the AWS API cannot be used.
        EngineUnavailable: The requested engine cannot be used.
        NoAddresses: No range of 127.0.0.0/8 is free.
    """
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(run_dir())
        patches = stack.enter_context(MotoPatches())
        calls = _closing(stack, Record(record))
        faults = Faults(parse_faults(""))
        # The server comes first, because the parts behind its API need its address.
        server = _closing(stack, LoopbackServer("aws-endpoint", api_port))
        # Before the server ends, so that an answer that is being held is still sent.
        stack.callback(faults.set, parse_faults(""))
        addresses = _closing(stack, Addresses())
        registry = _closing(stack, Registry(server.url, directory / "registry"))
        found = _closing(stack, find_engine(engine, registry.login, addresses, directory))
        balancers = _closing(stack, LoadBalancers(addresses, directory, faults, nodes))
        ecs = _closing(stack, Ecs(server.url, found, faults))
        moto_speed.patch_moto(patches)
        strictness.patch_moto(patches)
        registry.patch_moto(patches)
        balancers.patch_moto(patches)
        endpoint = _endpoint(server.url, registry, balancers, ecs, faults, calls)
        server.start(endpoint.answer)
        registry.start()
        balancers.start()
        ecs.start()
        yield Parts(server.url, found, addresses, faults, directory, balancers.node_addresses)


def _endpoint(
    url: str,
    registry: Registry,
    balancers: LoadBalancers,
    ecs: Ecs,
    faults: Faults,
    record: Record,
) -> AwsEndpoint:
    handlers = strictness.refusals(url)
    handlers["ecs"].append(ecs.handle)
    handlers["ecr"].append(registry.handle)
    after: list[Callable[[Call], None]] = [balancers.after, registry.after, ecs.after]
    return AwsEndpoint(handlers, after, faults, record)


def _closing(stack: contextlib.ExitStack, part: _Part) -> _Part:
    return stack.enter_context(contextlib.closing(part))
