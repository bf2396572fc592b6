"""The retry policy: what is transient, and when a call is sent again."""

from types import SimpleNamespace

import botocore.exceptions
import docker.errors
import pytest
import requests
from botocore.exceptions import ClientError

from tasks.aws.retry import (
    ATTEMPTS,
    JITTER,
    PAUSES,
    pause_after,
    reason_to_repeat,
    retry_read,
    transient_reason,
)

SOMEWHERE = "http://127.0.0.1:1"


def unreachable():
    return botocore.exceptions.EndpointConnectionError(endpoint_url=SOMEWHERE)


def closed():
    return botocore.exceptions.ConnectionClosedError(endpoint_url=SOMEWHERE)


def timed_out():
    return botocore.exceptions.ReadTimeoutError(endpoint_url=SOMEWHERE)


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
    unreachable(),
    botocore.exceptions.ConnectTimeoutError(endpoint_url=SOMEWHERE),
    timed_out(),
    closed(),
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
    ValueError("a fault"),
    KeyboardInterrupt(),
]


def named(error):
    return (
        error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    )


@pytest.mark.parametrize("error", TRANSIENT, ids=named)
def test_a_transient_error_has_a_reason(error):
    assert transient_reason(error)


@pytest.mark.parametrize("error", LASTING, ids=named)
def test_a_lasting_error_has_no_reason(error):
    assert transient_reason(error) is None


def test_the_reason_for_a_refusal_is_the_error_code():
    assert transient_reason(refused("Throttling")) == "Throttling"


def test_the_reason_for_a_lost_connection_is_its_kind():
    assert transient_reason(timed_out()) == "ReadTimeoutError"


def test_the_attempts_last_for_half_a_minute():
    assert sum(PAUSES) >= 30


def test_no_pause_is_shorter_than_the_one_before():
    assert list(PAUSES) == sorted(PAUSES)


@pytest.mark.parametrize("attempt", range(1, ATTEMPTS))
def test_a_pause_is_the_policys_give_or_take_the_jitter(attempt):
    expected = PAUSES[attempt - 1]
    assert pause_after(attempt) == pytest.approx(expected, abs=JITTER * expected)


def throttled():
    """What botocore passes of a throttled call: an HTTP response, and what it contains."""
    return None, {"Error": {"Code": "Throttling", "Message": "no"}, "ResponseMetadata": {}}


def next_pause(action, attempt, *, response=None, error=None):
    return retry_read(response, SimpleNamespace(name=action), attempt, error)


@pytest.mark.parametrize("action", ["DescribeRules", "ListClusters", "GetRole"])
@pytest.mark.parametrize("attempt", [1, ATTEMPTS - 1])
def test_a_throttled_read_is_sent_again(action, attempt):
    assert next_pause(action, attempt, response=throttled()) > 0


@pytest.mark.parametrize("action", ["CreateRule", "ModifyRule", "AddTags", "DeleteRule"])
@pytest.mark.parametrize(
    "failure", [{"response": throttled()}, {"error": closed()}], ids=["throttled", "lost"]
)
def test_a_write_is_not_sent_again(action, failure):
    assert next_pause(action, 1, **failure) is None


def test_a_response_without_an_error_is_returned():
    assert next_pause("DescribeRules", 1, response=(None, {"Rules": []})) is None


def test_a_lasting_refusal_of_a_read_is_returned():
    response = (None, {"Error": {"Code": "AccessDenied", "Message": "no"}})
    assert next_pause("DescribeRules", 1, response=response) is None


def test_a_read_that_timed_out_is_sent_once_more():
    assert next_pause("DescribeRules", 1, error=timed_out()) > 0
    assert next_pause("DescribeRules", 2, error=timed_out()) is None


def test_a_read_waits_for_an_endpoint_that_comes_back():
    assert next_pause("DescribeRules", ATTEMPTS - 1, error=unreachable()) > 0


def test_the_first_call_of_a_run_reports_a_wrong_endpoint_at_once():
    assert next_pause("GetCallerIdentity", 1, error=unreachable()) is None


def test_a_read_whose_attempts_are_used_up_is_not_repeated_by_its_step():
    http, parsed = throttled()
    assert next_pause("DescribeRules", ATTEMPTS, response=(http, parsed)) is None
    assert reason_to_repeat(ClientError(parsed, "DescribeRules")) is None


def test_a_lost_read_whose_attempts_are_used_up_is_not_repeated_by_its_step():
    error = closed()
    assert next_pause("DescribeRules", ATTEMPTS, error=error) is None
    assert reason_to_repeat(error) is None


@pytest.mark.parametrize("error", TRANSIENT, ids=named)
def test_any_other_transient_error_is_repeated_by_its_step(error):
    assert reason_to_repeat(error) == transient_reason(error)
