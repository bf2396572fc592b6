"""The sandbox's parts: made in an order in which each finds what it needs, ended in the reverse."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox import strictness
from sandbox.addresses import Addresses
from sandbox.api.call import Call
from sandbox.api.faults import Faults, parse_faults
from sandbox.api.internal import internal_client
from sandbox.api.record import Record
from sandbox.api.server import ControlPlane, Handler
from sandbox.ecr.registry import Registry
from sandbox.ecs.ecs import Ecs
from sandbox.elbv2.data_plane.load_balancers import LoadBalancers
from sandbox.engine.base import Engine
from sandbox.engine.find import find_engine
from sandbox.run_dir import run_dir

__all__ = ["Parts", "running_parts"]

_CLIENTS = ("application-autoscaling", "ec2", "ecr", "ecs", "elbv2", "iam", "logs")


@dataclass(frozen=True)
class Parts:
    """What runs, as far as others ask about it."""

    endpoint_url: str
    engine: Engine
    addresses: Addresses
    faults: Faults
    run_dir: Path
    """Folder of everything that this run writes; gone afterwards."""


@contextlib.contextmanager
def running_parts(engine: str, api_port: int, record: Path | None) -> Iterator[Parts]:
    """
    Run every part of the sandbox, which is empty at first.

    Args:
        engine: auto, docker or process.
        api_port: Port of the AWS API; 0 for any free one.
        record: File to which users' calls are appended.

    Raises:
        PortTaken: The port of the AWS API cannot be had.
        EngineUnavailable: The engine that was asked for does not answer.
        NoAddresses: No range of 127.0.0.0/8 is free.
    """
    strictness.patch_moto()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(run_dir())
        addresses = stack.enter_context(contextlib.closing(Addresses()))
        faults = Faults(parse_faults(""))

        # The parts answer the endpoint's calls and make calls to it: it has to be made first and
        # told of them later.
        handlers: dict[str, list[Handler]] = {}
        after: list[Callable[[Call], None]] = []
        control = stack.enter_context(
            contextlib.closing(ControlPlane(api_port, handlers, after, faults, Record(record)))
        )
        url = control.endpoint_url
        registry = stack.enter_context(contextlib.closing(Registry(url, directory / "registry")))
        found = stack.enter_context(
            contextlib.closing(find_engine(engine, registry.host, addresses, directory))
        )
        balancers = stack.enter_context(
            contextlib.closing(LoadBalancers(url, addresses, directory, faults))
        )
        ecs = stack.enter_context(contextlib.closing(Ecs(url, addresses, found, faults)))

        handlers.update(strictness.handlers(url))
        handlers.setdefault("ecr", []).append(registry.handle)
        handlers.setdefault("ecs", []).append(ecs.handle)
        after += [balancers.after, registry.after, ecs.after]

        for service in (
            _CLIENTS
        ):  # botocore's sessions are not made for threads that make clients at the same time
            internal_client(url, service)
        for part in (control, registry, balancers, ecs):
            part.start()
        yield Parts(url, found, addresses, faults, directory)
