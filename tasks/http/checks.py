"""Checks: requests whose responses must match the config."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jsonschema
from prefect import task

from config.aws import AwsConfig
from config.errors import CheckFailed
from config.proof.requests import Check
from tasks.aws.call import call
from tasks.aws.task import log
from tasks.http.client import Response, Route, Session, fetch, open_session
from tasks.http.comparison.json_value import same_json
from tasks.http.request import Request
from tasks.http.request_headers import read_headers, without_secrets

__all__ = ["check_requests", "judge_response", "run_checks"]

_SHOWN: Final = 200
_RETRY_FOR: Final = 3.0
_RETRY_EVERY: Final = 0.25


@dataclass(frozen=True)
class _FailedCheck:
    """A check, and in what its response does not match."""

    check: Check
    findings: list[str]

    def lines(self) -> list[str]:
        """For a message: one a finding."""
        request = f"{self.check.method} {self.check.path}"
        return [f"  {request}: {finding}" for finding in self.findings]


@task(name="run checks", task_run_name="check {name} {where}", tags=["http"], persist_result=False)
async def run_checks(
    aws: AwsConfig, name: str, where: str, route: Route, checks: Sequence[Check]
) -> int:
    """
    Run all checks on a route.

    A new rule takes some seconds to reach every node of the load balancer, so checks that fail are
    repeated for three seconds before they count.

    Args:
        aws: Where the values of secret request headers are.
        name: The service, for messages.
        where: The route, for messages, e.g. `on the preview route`.
        route: Where the requests are sent.
        checks: The checks.

    Returns:
        How many passed: all of them.

    Raises:
        CheckFailed: With every finding; its numbers are `checks`, `passed` and `failed`. Or a
            request header cannot be read.

    Source: see `read_headers`.
    """
    requests = await call(check_requests, aws, checks)
    async with open_session() as session:
        failed = await _run_until_passed(session, route, checks, requests)
    count = len(checks)
    if failed:
        text = _explain(name, where, failed)
        raise CheckFailed(text, _numbers(count, len(failed)))
    log().info("%s: %d/%d checks passed %s", name, count, count, where)
    return count


def check_requests(aws: AwsConfig, checks: Sequence[Check]) -> list[Request]:
    """
    The request of each check.

    Raises:
        CheckFailed: A request header cannot be read.
    """
    requests = []
    for check in checks:
        headers = read_headers(aws, check.request_headers)
        requests.append(Request(check.path, check.method, headers))
    return requests


def _explain(name: str, where: str, failed: Sequence[_FailedCheck]) -> str:
    lines = [f"{name}: checks failed {where}:"]
    for item in failed:
        lines += item.lines()
    return without_secrets("\n".join(lines))


def _numbers(checks: int, failed: int) -> dict[str, int]:
    passed = checks - failed
    return {"checks": checks, "passed": passed, "failed": failed}


async def _run_until_passed(
    session: Session, route: Route, checks: Sequence[Check], requests: Sequence[Request]
) -> list[_FailedCheck]:
    """Those that still fail after the retries; a check that has passed once is not repeated."""
    deadline = time.monotonic() + _RETRY_FOR
    left = list(zip(checks, requests, strict=True))
    while True:
        responses = await asyncio.gather(*(fetch(session, route, sent) for _, sent in left))
        failed = []
        missed = []
        for (check, sent), response in zip(left, responses, strict=True):
            findings = judge_response(check, response)
            if findings:
                failed.append(_FailedCheck(check, findings))
                missed.append((check, sent))
        if not failed or time.monotonic() >= deadline:
            return failed
        left = missed
        await asyncio.sleep(_RETRY_EVERY)


def judge_response(check: Check, response: Response) -> list[str]:
    """
    In what a response does not match its check; empty when it passes.

    Returns:
        Findings such as `status is 500, expected 200` or `/0/name is "x", expected "y"`.
    """
    if response.error:
        return [f"no response ({response.error})"]
    if response.cdn_cache:
        return [_from_cache(response.cdn_cache)]
    findings = [
        *_judge_status(check, response),
        *_judge_headers(check, response),
        *_judge_latency(check, response),
    ]
    if not findings:
        # The body of an error page would only be another finding about the same error.
        findings += _judge_body(check, response.body)
    return findings


def _from_cache(header: str) -> str:
    """That nothing was asked of the service: the finding, with the remedy."""
    return (
        f"answered by a cache before the load balancer ({header}), so it is not known what the "
        "service answers; set listener.direct to send requests to the load balancer itself, or "
        "let the cache pass this path on"
    )


def _judge_status(check: Check, response: Response) -> Iterator[str]:
    if response.status != check.status:
        body = _shown(response.body)
        yield f"status is {response.status}, expected {check.status}: {body}"


def _judge_headers(check: Check, response: Response) -> Iterator[str]:
    for name, expected in check.headers.items():
        value = response.headers.get(name)
        if value is None:
            yield f"header {name} is missing, expected {expected!r}"
        elif value != expected:
            yield f"header {name} is {value!r}, expected {expected!r}"


def _judge_latency(check: Check, response: Response) -> Iterator[str]:
    limit = check.max_latency
    if limit is None:
        return
    if response.latency > limit:
        yield f"took {response.latency:.3f} s, limit {limit:g} s"


def _judge_body(check: Check, body: bytes) -> Iterator[str]:
    if check.json_subset is None and check.json_schema is None:
        return
    try:
        data = json.loads(body)
    except ValueError:
        yield f"body is not JSON: {_shown(body)}"
    else:
        yield from _judge_json(check, data)


def _judge_json(check: Check, data: Any) -> Iterator[str]:
    if check.json_subset is not None:
        yield from _missing(check.json_subset, data, "")
    if check.json_schema is not None:
        yield from _schema_errors(check.json_schema, data)


def _schema_errors(schema: Mapping[str, Any], data: Any) -> Iterator[str]:
    validator_class = jsonschema.validators.validator_for(schema)
    validator = validator_class(schema)
    for error in validator.iter_errors(data):
        yield f"{error.json_path}: {error.message}"


def _missing(expected: Any, actual: Any, pointer: str) -> Iterator[str]:
    """Where `actual` does not contain `expected`: objects by key, lists item by item."""
    match expected, actual:
        case dict(), dict():
            yield from _missing_entries(expected, actual, pointer)
        case list(), list() if len(actual) >= len(expected):
            yield from _missing_items(expected, actual, pointer)
        case _ if not same_json(expected, actual):
            place = pointer or "body"
            yield f"{place} is {_json(actual)}, expected {_json(expected)}"


def _missing_entries(
    expected: Mapping[str, Any], actual: Mapping[str, Any], pointer: str
) -> Iterator[str]:
    for key, value in expected.items():
        place = f"{pointer}/{key}"
        if key in actual:
            yield from _missing(value, actual[key], place)
        else:
            yield f"{place} is missing, expected {_json(value)}"


def _missing_items(expected: Sequence[Any], actual: Sequence[Any], pointer: str) -> Iterator[str]:
    for index, value in enumerate(expected):
        place = f"{pointer}/{index}"
        yield from _missing(value, actual[index], place)


def _json(value: Any) -> str:
    text = json.dumps(value)
    return text[:_SHOWN]


def _shown(body: bytes) -> str:
    text = body[:_SHOWN].decode("utf-8", "replace")
    if not text:
        return "empty body"
    return repr(text)
