"""Checks: requests that must be answered as described."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import jsonschema
from prefect import task

from config.errors import CheckFailed
from config.service import Check
from tasks.aws.task import log
from tasks.http.client import Response, Route, fetch, open_session
from tasks.http.json_value import same_json

__all__ = ["judge_answer", "run_checks"]

_SHOWN: Final = 200
_RETRY_FOR: Final = 3.0
_RETRY_EVERY: Final = 0.25
_ABSENT: Final = object()


def judge_answer(check: Check, answer: Response) -> list[str]:
    """
    What is wrong with an answer; empty when nothing is.

    Returns:
        Findings such as `status is 500, expected 200` or `/0/name is "x", expected "y"`.
    """
    if answer.error:
        return [f"no answer ({answer.error})"]
    found = []
    if answer.status != check.status:
        found.append(f"status is {answer.status}, expected {check.status}: {_shown(answer.body)}")
    for name, wanted in check.headers.items():
        held = answer.headers.get(name)
        if held != wanted:
            found.append(f"header {name} is {held!r}, expected {wanted!r}")
    if check.max_latency is not None and answer.latency > check.max_latency:
        found.append(f"took {answer.latency:.3f} s, at most {check.max_latency:g} s are allowed")
    if not found and (check.json_subset is not None or check.json_schema is not None):
        found += _judge_json(check, answer.body)
    return found


def _judge_json(check: Check, body: bytes) -> list[str]:
    try:
        data = json.loads(body)
    except ValueError:
        return [f"body is not JSON: {_shown(body)}"]
    found = [] if check.json_subset is None else _missing(check.json_subset, data, "")
    if check.json_schema is not None:
        validator = jsonschema.validators.validator_for(check.json_schema)(check.json_schema)
        found += [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)]
    return found


def _missing(wanted: Any, held: Any, pointer: str) -> list[str]:
    """Where `wanted` is not contained in `held`: objects by key, lists item by item."""
    if isinstance(wanted, dict) and isinstance(held, dict):
        return [
            line
            for key, value in wanted.items()
            for line in _missing(value, held.get(key, _ABSENT), f"{pointer}/{key}")
        ]
    if isinstance(wanted, list) and isinstance(held, list) and len(held) >= len(wanted):
        return [
            line
            for i, value in enumerate(wanted)
            for line in _missing(value, held[i], f"{pointer}/{i}")
        ]
    if held is _ABSENT:
        return [f"{pointer} is missing, expected {_json(wanted)}"]
    if same_json(wanted, held):
        return []
    return [f"{pointer or 'body'} is {_json(held)}, expected {_json(wanted)}"]


def _json(value: Any) -> str:
    return json.dumps(value)[:_SHOWN]


def _shown(body: bytes) -> str:
    text = body[:_SHOWN].decode("utf-8", "replace")
    return repr(text) if text else "empty body"


@task(name="run checks", task_run_name="check {name} {where}", tags=["http"], persist_result=False)
async def run_checks(name: str, where: str, route: Route, checks: Sequence[Check]) -> int:
    """
    Run all checks on a route.

    A rule that was just made reaches every node of the load balancer within seconds, so a check
    that fails is asked again for three seconds before it counts.

    Args:
        name: The service, for messages.
        where: The route in words, e.g. `on its preview route`.
        route: The way to ask.
        checks: The checks.

    Returns:
        How many held.

    Raises:
        CheckFailed: With every finding.
    """
    findings = {place: ["not asked yet"] for place in range(len(checks))}
    async with open_session() as session:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _RETRY_FOR
        while True:
            answers = await asyncio.gather(
                *(fetch(session, route, checks[place].path) for place in findings)
            )
            judged = {
                place: judge_answer(checks[place], answer)
                for place, answer in zip(findings, answers, strict=True)
            }
            findings = {place: found for place, found in judged.items() if found}
            if not findings or loop.time() > deadline:
                break
            await asyncio.sleep(_RETRY_EVERY)
    if findings:
        lines = [
            f"  GET {checks[place].path}: {line}"
            for place, found in findings.items()
            for line in found
        ]
        raise CheckFailed("\n".join([f"{name} does not answer right {where}:", *lines]))
    log().info("%s: %d checks hold %s", name, len(checks), where)
    return len(checks)
