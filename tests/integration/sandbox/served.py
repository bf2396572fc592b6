"""AWS served over HTTP in this process, with the strictness layer and any of the other parts."""

import contextlib
import urllib.request

from sandbox import strictness
from sandbox.api import moto_speed
from sandbox.api.endpoint import AwsEndpoint
from sandbox.api.faults import Faults, Plan
from sandbox.api.moto_patches import MotoPatches
from sandbox.api.record import Record
from sandbox.api.serving import LoopbackServer
from sandbox.ecr.registry import Registry
from sandbox.ecs.ecs import Ecs

HANDLED = {Registry: "ecr", Ecs: "ecs"}


@contextlib.contextmanager
def served(make_parts=lambda _: (), faults=None):
    """
    Serve AWS until the block ends; gives the endpoint's URL.

    `make_parts` gets that URL and returns parts, e.g. a Registry. They are closed in reverse order.
    """
    faults = faults or Faults(Plan())
    with contextlib.ExitStack() as stack:
        patches = stack.enter_context(MotoPatches())
        moto_speed.patch_moto(patches)
        strictness.patch_moto(patches)
        server = stack.enter_context(contextlib.closing(LoopbackServer("aws-endpoint")))
        handlers, parts = strictness.refusals(server.url), list(make_parts(server.url))
        for part in parts:
            stack.enter_context(contextlib.closing(part))
            if hasattr(part, "patch_moto"):
                part.patch_moto(patches)
            if type(part) in HANDLED:
                handlers.setdefault(HANDLED[type(part)], []).append(part.handle)
        after = [part.after for part in parts]
        server.start(AwsEndpoint(handlers, after, faults, Record(None)).answer)
        # moto's state belongs to the process: without this, other tests' resources would be served.
        reset = urllib.request.Request(f"{server.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()
        for part in parts:
            part.start()
        yield server.url
