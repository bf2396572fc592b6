"""
Where moto accepts what AWS refuses, or answers differently: the sandbox answers as AWS documents.

A refusal is a handler, which sees the request and reads the rest over the served API. Only where
the answer itself must differ is moto patched. One file a service; each row is held by a test in
tests/integration/test_strictness*.py.
"""

from functools import partial

from sandbox.api import unimplemented
from sandbox.api.server import Handler
from sandbox.autoscaling import refusals as autoscaling
from sandbox.cloudwatch import alarms
from sandbox.ecs import task_definitions
from sandbox.elbv2 import answers
from sandbox.elbv2 import refusals as elbv2
from sandbox.iam import refusals as iam
from sandbox.logs import refusals as logs
from sandbox.service_quotas import quotas

__all__ = ["handlers", "patch_moto"]


def handlers(endpoint_url: str) -> dict[str, list[Handler]]:
    """
    Handlers by service name, as `ControlPlane` takes them.

    Args:
        endpoint_url: The served AWS API, which they read.
    """
    return {
        "elbv2": [partial(elbv2.refuse, endpoint_url)],
        "ecs": [partial(task_definitions.refuse, endpoint_url)],
        "logs": [logs.refuse],
        "iam": [iam.load_managed_policy, iam.refuse],
        "application-autoscaling": [partial(autoscaling.refuse, endpoint_url)],
        "service-quotas": [quotas.answer],
    }


def patch_moto() -> None:
    """Make moto's own answers AWS's; doing it again changes nothing."""
    autoscaling.patch()
    alarms.patch()
    task_definitions.patch()
    answers.patch()
    unimplemented.patch()
