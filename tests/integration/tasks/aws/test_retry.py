"""
Reading calls outlive an answer that AWS puts off; changing ones are left to whoever can look what
they did.
"""

from pathlib import Path

import botocore.exceptions
import pytest

from config.load import load_config
from tasks.aws.clients import client


@pytest.fixture(scope="module")
def throttled(start_module_sandbox):
    """A sandbox, and where it is for the product."""
    sandbox = start_module_sandbox()
    return sandbox, load_config(Path(sandbox.state["config"])).aws


def calls(sandbox, action):
    return [call["error_code"] for call in sandbox.record() if call["action"] == action]


@pytest.mark.parametrize(
    ("fault", "service", "call", "action", "codes"),
    [
        (
            "throttle=DescribeRepositories:2",
            "ecr",
            "describe_repositories",
            "DescribeRepositories",
            "ThrottlingException",
        ),
        (
            "throttle=DescribeLoadBalancers:2",
            "elbv2",
            "describe_load_balancers",
            "DescribeLoadBalancers",
            "Throttling",
        ),
        ("error=ListClusters:2", "ecs", "list_clusters", "ListClusters", "InternalFailure"),
        ("lost=ListRoles:2", "iam", "list_roles", "ListRoles", None),
    ],
)
def test_a_reading_call_is_sent_until_it_is_answered(
    throttled, fault, service, call, action, codes
):
    sandbox, aws = throttled
    sandbox.faults(fault)
    getattr(client(aws, service), call)()
    assert calls(sandbox, action) == [codes, codes, None]


def test_a_reading_call_gives_up_in_the_end(throttled):
    sandbox, aws = throttled
    sandbox.faults("throttle=DescribeLogGroups:9")
    with pytest.raises(botocore.exceptions.ClientError, match="ThrottlingException"):
        client(aws, "logs").describe_log_groups()
    assert calls(sandbox, "DescribeLogGroups") == ["ThrottlingException"] * 5


def test_a_lasting_refusal_is_not_questioned(throttled):
    sandbox, aws = throttled
    sandbox.faults("deny=ListTaskDefinitions")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        client(aws, "ecs").list_task_definitions()
    assert calls(sandbox, "ListTaskDefinitions") == ["AccessDeniedException"]


@pytest.mark.parametrize("fault", ["throttle=CreateRepository:1", "lost=CreateRepository:1"])
def test_a_changing_call_is_sent_once(throttled, fault):
    sandbox, aws = throttled
    before = len(calls(sandbox, "CreateRepository"))
    sandbox.faults(fault)
    with pytest.raises(
        (botocore.exceptions.ClientError, botocore.exceptions.ConnectionClosedError)
    ):
        client(aws, "ecr").create_repository(repositoryName=f"once-{fault[:4]}")
    assert len(calls(sandbox, "CreateRepository")) == before + 1
