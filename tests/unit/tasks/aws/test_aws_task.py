"""What is transient, and what the decorator makes of a plain function."""

import inspect

import botocore.exceptions
import docker.errors
import pytest
import requests
from botocore.exceptions import ClientError

from tasks.aws.task import aws_task, transient_reason


def refused(code, status=400, message="no"):
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "Operation",
    )


def docker_error(status):
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("the engine says no", response=response)


TRANSIENT = [
    refused("Throttling"),
    refused("ThrottlingException"),
    refused("TooManyRequestsException"),
    refused("RequestLimitExceeded", 503),
    refused("PriorRequestNotComplete"),
    refused("OperationAborted"),
    refused("OperationAbortedException"),
    refused("ConcurrentModification", 409),
    refused("ConcurrentUpdateException"),
    refused("RequestTimeout", 408),
    refused("ServiceUnavailable", 503),
    refused("InternalFailure", 500),
    refused("SomethingNew", 502),
    refused(
        "ClientException",
        message="Too many concurrent attempts to create a new revision of the family",
    ),
    refused(
        "InvalidParameterException",
        message="ECS was unable to assume the role 'arn:aws:iam::1:role/x'",
    ),
    refused(
        "InvalidParameterException",
        message="Unable to assume the service linked role. Please verify that it exists",
    ),
    botocore.exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    botocore.exceptions.ConnectTimeoutError(endpoint_url="http://127.0.0.1:1"),
    botocore.exceptions.ReadTimeoutError(endpoint_url="http://127.0.0.1:1"),
    botocore.exceptions.ConnectionClosedError(endpoint_url="http://127.0.0.1:1"),
    requests.exceptions.ConnectionError("reset"),
    requests.exceptions.ReadTimeout("slow"),
    docker_error(500),
]
LASTING = [
    refused("AccessDenied", 403),
    refused("AccessDeniedException"),
    refused("ValidationError"),
    refused("TargetGroupNotFound"),
    refused("TooManyRules"),
    refused("LimitExceededException"),
    refused("ExpiredToken", 403),
    refused("InvalidParameterException", message="Invalid network configuration"),
    docker_error(404),
    docker.errors.BuildError("bad", []),
    botocore.exceptions.NoCredentialsError(),
    botocore.exceptions.ParamValidationError(report="x"),
    ValueError("ours"),
    KeyboardInterrupt(),
]


def named(error):
    return (
        error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    )


@pytest.mark.parametrize("error", TRANSIENT, ids=named)
def test_what_may_succeed_later_has_a_reason(error):
    assert transient_reason(error)


@pytest.mark.parametrize("error", LASTING, ids=named)
def test_what_will_fail_again_has_no_reason(error):
    assert transient_reason(error) is None


def test_the_reason_for_a_refusal_is_aws_s_code():
    assert transient_reason(refused("Throttling")) == "Throttling"


def test_the_reason_for_a_lost_connection_is_its_kind():
    assert (
        transient_reason(botocore.exceptions.ReadTimeoutError(endpoint_url="http://x"))
        == "ReadTimeoutError"
    )


@aws_task("double {number}", tags=("sum",))
def double_it(number: int) -> int:
    """Twice the number."""
    return 2 * number


def test_the_plain_function_stays_reachable():
    assert double_it.plain(4) == 8


async def test_the_async_form_runs_the_function():
    assert await double_it.fn(number=4) == 8


def test_the_task_keeps_the_function_s_signature():
    assert list(inspect.signature(double_it.fn).parameters) == ["number"]


def test_the_task_is_named_after_the_function():
    assert double_it.name == "double it"


def test_the_task_is_described_by_the_function():
    assert double_it.description == "Twice the number."


def test_the_task_waits_longer_before_every_further_retry():
    assert double_it.retry_delay_seconds == sorted(set(double_it.retry_delay_seconds))


async def test_a_failure_passes_through_as_it_is():
    @aws_task("fail")
    def fail() -> None:
        raise refused("AccessDenied", 403)

    with pytest.raises(ClientError, match="AccessDenied"):
        await fail.fn()
