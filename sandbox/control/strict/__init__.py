"""
Where moto accepts what AWS refuses, or answers differently: the sandbox answers as AWS documents.

A refusal is a handler, which sees the request and reads the rest over the served API. Only where
the answer itself must differ is moto patched. One file a service; each row is held by a test in
tests/integration/test_strictness*.py.
"""

from functools import partial

from sandbox.control.server import Handler
from sandbox.control.strict import (
    autoscaling,
    cloudwatch,
    ecs,
    elbv2,
    elbv2_answers,
    iam,
    logs,
    service_quotas,
    unimplemented,
)

__all__ = ["handlers", "patch_moto"]


def handlers(endpoint_url: str) -> dict[str, list[Handler]]:
    """
    Handlers by service name, as `ControlPlane` takes them.

    Args:
        endpoint_url: The served AWS API, which they read.
    """
    return {
        "elbv2": [partial(elbv2.refuse, endpoint_url)],
        "ecs": [partial(ecs.refuse, endpoint_url)],
        "logs": [logs.refuse],
        "iam": [iam.load_managed_policy, iam.refuse],
        "application-autoscaling": [partial(autoscaling.refuse, endpoint_url)],
        "service-quotas": [service_quotas.answer],
    }


def patch_moto() -> None:
    """Make moto's own answers AWS's; doing it again changes nothing."""
    autoscaling.patch()
    cloudwatch.patch()
    ecs.patch()
    elbv2_answers.patch()
    unimplemented.patch()
