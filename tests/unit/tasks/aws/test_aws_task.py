"""What the decorator makes of a plain function."""

import inspect

import pytest
from botocore.exceptions import ClientError

from tasks.aws.retry import PAUSES
from tasks.aws.task import aws_task


@aws_task("double {number}", tags=("sum",))
def double_it(number: int) -> int:
    """Twice the number."""
    return 2 * number


def test_the_plain_function_stays_reachable():
    assert double_it.plain(4) == 8


async def test_the_async_form_runs_the_function():
    assert await double_it.fn(number=4) == 8


def test_the_task_keeps_the_functions_signature():
    assert list(inspect.signature(double_it.fn).parameters) == ["number"]


def test_the_task_is_named_after_the_function():
    assert double_it.name == "double it"


def test_the_task_is_described_by_the_function():
    assert double_it.description == "Twice the number."


def test_the_task_is_retried_as_the_policy_says():
    assert (double_it.retries, double_it.retry_delay_seconds) == (len(PAUSES), list(PAUSES))


async def test_a_failure_passes_through_as_it_is():
    @aws_task("fail")
    def fail() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Operation")

    with pytest.raises(ClientError, match="AccessDenied"):
        await fail.fn()
