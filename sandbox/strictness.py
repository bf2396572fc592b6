"""
Where moto accepts what AWS refuses, or answers differently: the sandbox behaves as AWS documents.

A refusal is a handler: it gets the call, and reads everything else through the served API. moto is
patched only where its own answer has to change. Each AWS service has both in its room, and each
difference has a test in tests/integration/sandbox/**/test_strictness*.py.
"""

from functools import partial

from sandbox.api import unimplemented
from sandbox.api.call import Handler
from sandbox.api.moto_patches import MotoPatches
from sandbox.autoscaling import refusals as autoscaling
from sandbox.cloudwatch import alarms
from sandbox.ecr import refusals as ecr
from sandbox.ecs import task_definitions
from sandbox.elbv2 import answers as elbv2_answers
from sandbox.elbv2 import attributes as elbv2_attributes
from sandbox.elbv2 import refusals as elbv2
from sandbox.iam import managed_policies, sizes, trust_policies
from sandbox.logs import refusals as logs
from sandbox.service_quotas import quotas

__all__ = ["patch_moto", "refusals"]


def refusals(endpoint_url: str) -> dict[str, list[Handler]]:
    """
    Handlers by service name, for `AwsEndpoint`.

    Args:
        endpoint_url: The served AWS API, which they read.
    """
    return {
        "application-autoscaling": [partial(autoscaling.refuse, endpoint_url)],
        "ecr": [ecr.refuse],
        "ecs": [partial(task_definitions.refuse, endpoint_url)],
        "elbv2": [partial(elbv2.refuse, endpoint_url)],
        "iam": [
            managed_policies.load_managed_policy,
            trust_policies.refuse,
            partial(sizes.refuse, endpoint_url),
        ],
        "logs": [logs.refuse],
        "service-quotas": [quotas.answer],
    }


def patch_moto(patches: MotoPatches) -> None:
    """Make moto's answers equal to AWS's."""
    autoscaling.patch_moto(patches)
    alarms.patch_moto(patches)
    task_definitions.patch_moto(patches)
    elbv2_answers.patch_moto(patches)
    elbv2_attributes.patch_moto(patches)
    unimplemented.patch_moto(patches)
