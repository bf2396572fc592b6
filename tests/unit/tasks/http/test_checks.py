"""Checks: which responses pass, and the findings on those that do not."""

import json
import pickle

import httpx
import pytest

from config.errors import CheckFailed
from config.service import Check
from tasks.http.checks import judge_response
from tasks.http.client import Response
from tasks.http.comparison.json_value import same_json

ABSENT = object()


def response(data=ABSENT, *, status=200, headers=None, latency=0.01, body=b""):
    content = body if data is ABSENT else json.dumps(data).encode()
    return Response(status, httpx.Headers(headers), content, latency)


def judge(check, given):
    return judge_response(Check(path="/api/users/1", **check), given)


def test_a_response_that_matches_has_no_findings():
    check = {"headers": {"X-Served-By": "users"}, "json_subset": {"id": 1}, "max_latency": 1.0}
    assert judge(check, response({"id": 1, "name": "Ann"}, headers={"X-Served-By": "users"})) == []


def test_no_response_is_a_finding():
    assert judge({}, Response(0, error="connection refused")) == [
        "no response (connection refused)"
    ]


@pytest.mark.parametrize(
    ("name", "value"), [("X-Cache", "Hit from cloudfront"), ("CF-Cache-Status", "HIT")]
)
def test_a_check_that_a_cache_answers_fails_and_names_cache_and_remedy(name, value):
    (finding,) = judge({}, response({"id": 1}, headers={name: value}))
    assert f"answered by a cache before the load balancer ({name}: {value})" in finding
    assert "set listener.direct" in finding


def test_a_check_that_a_cache_passes_on_is_judged():
    assert judge({}, response(headers={"X-Cache": "Miss from cloudfront"})) == []


def test_a_wrong_status_is_reported_with_the_body():
    assert judge({}, response(status=500, body=b"oops")) == ["status is 500, expected 200: 'oops'"]


def test_a_wrong_status_is_reported_without_a_body():
    assert judge({}, response(status=204)) == ["status is 204, expected 200: empty body"]


def test_a_header_is_found_in_any_case():
    given = response(headers={"x-served-by": "users"})
    assert judge({"headers": {"X-Served-By": "users"}}, given) == []


def test_a_missing_header_is_reported():
    assert judge({"headers": {"X-Served-By": "users"}}, response()) == [
        "header X-Served-By is missing, expected 'users'"
    ]


def test_a_different_header_value_is_reported():
    given = response(headers={"X-Served-By": "monolith"})
    assert judge({"headers": {"X-Served-By": "users"}}, given) == [
        "header X-Served-By is 'monolith', expected 'users'"
    ]


@pytest.mark.parametrize(("latency", "count"), [(0.5, 0), (0.501, 1)])
def test_a_response_may_take_as_long_as_the_limit(latency, count):
    assert len(judge({"max_latency": 0.5}, response(latency=latency))) == count


def test_status_header_and_latency_are_all_reported_at_once():
    check = {"headers": {"X-Served-By": "users"}, "max_latency": 0.5}
    assert len(judge(check, response(status=503, latency=2))) == 3


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"id": 1}, {"id": 1, "name": "Ann"}),
        ({"id": 1}, {"id": 1.0}),
        ({}, {"id": 1}),
        ({"author": {"id": 3}}, {"author": {"id": 3, "name": "Bo"}, "text": "hi"}),
        ([{"id": 1}], [{"id": 1, "x": 0}, {"id": 2}]),
        ([], [1, 2]),
        ("text", "text"),
        ({"deleted": None}, {"deleted": None}),
        (0, 0),
    ],
)
def test_a_json_subset_is_contained(expected, actual):
    assert judge({"json_subset": expected}, response(actual)) == []


@pytest.mark.parametrize(
    ("expected", "actual", "finding"),
    [
        ({"id": 1}, {"id": 2}, "/id is 2, expected 1"),
        ({"id": 1}, {"id": "1"}, '/id is "1", expected 1'),
        ({"id": 1}, {"id": True}, "/id is true, expected 1"),
        ({"id": 1}, {}, "/id is missing, expected 1"),
        ({"deleted": None}, {}, "/deleted is missing, expected null"),
        ({"author": {"id": 3}}, {}, '/author is missing, expected {"id": 3}'),
        ({"author": {"id": 3}}, {"author": {"id": 4}}, "/author/id is 4, expected 3"),
        ([{"id": 1}], [], 'body is [], expected [{"id": 1}]'),
        ([{"id": 1}], [{"id": 2}, {"id": 1}], "/0/id is 2, expected 1"),
        ({"id": 1}, [1], 'body is [1], expected {"id": 1}'),
        ("text", None, 'body is null, expected "text"'),
    ],
)
def test_what_is_not_contained_is_reported_with_its_pointer(expected, actual, finding):
    assert judge({"json_subset": expected}, response(actual)) == [finding]


def test_a_body_that_is_not_json_is_reported():
    assert judge({"json_subset": {}}, response(body=b"<html>")) == ["body is not JSON: '<html>'"]


def test_every_schema_violation_is_reported_with_its_path():
    schema = {
        "type": "array",
        "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
    }
    assert judge({"json_schema": schema}, response([{"id": 1}, {"id": "2"}, {}])) == [
        "$[1].id: '2' is not of type 'integer'",
        "$[2]: 'id' is a required property",
    ]


def test_a_body_that_meets_the_schema_passes():
    assert judge({"json_schema": {"type": "array", "minItems": 1}}, response([1])) == []


def test_the_body_is_not_judged_when_the_status_is_wrong():
    assert judge({"json_subset": {"id": 1}}, response(status=404, body=b"Not Found")) == [
        "status is 404, expected 200: 'Not Found'"
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        ("1", 1, False),
        ([1, [2]], [1.0, [2]], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ({"a": 1, "b": [True]}, {"b": [True], "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": [True]}, {"a": [1]}, False),
    ],
)
def test_json_values_are_equal_as_json_defines_it(one, other, same):
    assert same_json(one, other) is same


def test_the_numbers_of_a_failed_check_survive_pickling():
    error = CheckFailed("users: checks failed", {"checks": 4, "passed": 3, "failed": 1})
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(copy), copy.numbers) == ("users: checks failed", error.numbers)
