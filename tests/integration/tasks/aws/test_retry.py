"""How often a failing call reaches AWS: the policy repeats each at one layer only."""

import gc
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from prefect import flow
from prefect.testing.utilities import prefect_test_harness

from config.load import load_config
from config.service import ServiceConfig
from tasks.aws import retry
from tasks.aws.call import call
from tasks.aws.clients import client
from tasks.aws.retry import ATTEMPTS
from tasks.aws.tags import Owner
from tasks.ecr.repository import desired_repository, ensure_repository, read_repository

# Each test has its own event loop, and Prefect's client leaves connections to one that is closed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SERVICE = ServiceConfig(name="retried", path_patterns=("/retried",), image="retried:1")
REPOSITORY = desired_repository(SERVICE, Owner("retry", "retried"))


class Faulty:
    """A sandbox with faults, and the calls that have reached it since they were set."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.aws = load_config(Path(sandbox.state["config"])).aws
        self._earlier = 0

    def set(self, faults):
        self.sandbox.faults(faults)
        self._earlier = len(self.sandbox.record())

    def codes(self, action):
        """The error code of each call of an action; None for one that succeeded."""
        calls = self.sandbox.record()[self._earlier :]
        return [call["error_code"] for call in calls if call["action"] == action]


@pytest.fixture
def faulty(sandbox, monkeypatch):
    monkeypatch.setattr(retry, "PAUSES", (0.01,) * len(retry.PAUSES))
    yield Faulty(sandbox)
    sandbox.faults("")
    ecr = sandbox.boto("ecr")
    if any(
        item["repositoryName"] == "retried" for item in ecr.describe_repositories()["repositories"]
    ):
        ecr.delete_repository(repositoryName="retried")


@flow
async def ensure_in_a_flow(aws):
    await ensure_repository.with_options(retry_delay_seconds=0.01)(aws, REPOSITORY)


@pytest.fixture(scope="module")
def prefect_server():
    with prefect_test_harness(server_startup_timeout=90):
        yield
    gc.collect()  # What Prefect left open is reported here, and not in another module's tests.


@pytest.mark.parametrize(
    ("fault", "service", "method", "action", "code"),
    [
        pytest.param(
            "throttle=DescribeRepositories:2",
            "ecr",
            "describe_repositories",
            "DescribeRepositories",
            "ThrottlingException",
            id="throttled by a JSON API",
        ),
        pytest.param(
            "throttle=DescribeLoadBalancers:2",
            "elbv2",
            "describe_load_balancers",
            "DescribeLoadBalancers",
            "Throttling",
            id="throttled by a query API",
        ),
        pytest.param(
            "error=ListClusters:2",
            "ecs",
            "list_clusters",
            "ListClusters",
            "InternalFailure",
            id="failed in AWS",
        ),
        pytest.param("lost=ListRoles:2", "iam", "list_roles", "ListRoles", None, id="lost"),
    ],
)
def test_a_read_is_sent_until_it_succeeds(faulty, fault, service, method, action, code):
    faulty.set(fault)
    getattr(client(faulty.aws, service), method)()
    assert faulty.codes(action) == [code, code, None]


def test_a_read_that_always_fails_is_sent_as_often_as_the_policy_says(faulty):
    faulty.set("throttle=DescribeLogGroups:99")
    with pytest.raises(ClientError, match="ThrottlingException"):
        client(faulty.aws, "logs").describe_log_groups()
    assert faulty.codes("DescribeLogGroups") == ["ThrottlingException"] * ATTEMPTS


@pytest.mark.parametrize(
    "fault", ["throttle=DescribeRepositories:99", "lost=DescribeRepositories:99"]
)
async def test_a_one_shot_read_is_not_repeated_once_its_attempts_are_used_up(faulty, fault):
    faulty.set(fault)
    with pytest.raises((ClientError, ConnectionClosedError)):
        await call(read_repository, faulty.aws, "retried")
    assert len(faulty.codes("DescribeRepositories")) == ATTEMPTS


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    "fault", ["throttle=DescribeRepositories:99", "lost=DescribeRepositories:99"]
)
async def test_a_read_in_a_task_is_not_repeated_once_its_attempts_are_used_up(faulty, fault):
    faulty.set(fault)
    with pytest.raises((ClientError, ConnectionClosedError)):
        await ensure_in_a_flow(faulty.aws)
    assert len(faulty.codes("DescribeRepositories")) == ATTEMPTS


@pytest.mark.usefixtures("prefect_server")
async def test_a_write_is_repeated_by_its_task_alone(faulty):
    faulty.set("throttle=CreateRepository:99")
    with pytest.raises(ClientError, match="ThrottlingException"):
        await ensure_in_a_flow(faulty.aws)
    assert len(faulty.codes("CreateRepository")) == ATTEMPTS
    assert len(faulty.codes("DescribeRepositories")) == ATTEMPTS


@pytest.mark.usefixtures("prefect_server")
async def test_a_write_whose_response_was_lost_is_not_made_twice(faulty):
    faulty.set("lost=CreateRepository:1")
    await ensure_in_a_flow(faulty.aws)
    assert len(faulty.codes("CreateRepository")) == 1


async def test_a_write_outside_of_prefect_is_repeated_by_its_call_alone(faulty):
    faulty.set("throttle=CreateRepository:99")
    with pytest.raises(ClientError, match="ThrottlingException"):
        await call(ensure_repository.plain, faulty.aws, REPOSITORY)
    assert len(faulty.codes("CreateRepository")) == ATTEMPTS


@pytest.mark.parametrize("fault", ["throttle=CreateRepository:1", "lost=CreateRepository:1"])
def test_a_write_is_never_repeated_by_the_client(faulty, fault):
    faulty.set(fault)
    with pytest.raises((ClientError, ConnectionClosedError)):
        client(faulty.aws, "ecr").create_repository(repositoryName="retried")
    assert len(faulty.codes("CreateRepository")) == 1


@pytest.mark.usefixtures("prefect_server")
async def test_a_lasting_refusal_is_not_repeated(faulty):
    faulty.set("deny=DescribeRepositories")
    with pytest.raises(ClientError, match="AccessDenied"):
        await ensure_in_a_flow(faulty.aws)
    assert faulty.codes("DescribeRepositories") == ["AccessDeniedException"]
