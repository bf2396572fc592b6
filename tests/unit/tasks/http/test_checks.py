"""Checks: what of an answer is right, and what is said of one that is not."""

import json

import pytest

from config.service import Check
from tasks.http.checks import judge_answer
from tasks.http.client import Response
from tasks.http.json_value import same_json

ABSENT = object()


def answer(data=ABSENT, *, status=200, headers=None, latency=0.01, body=b""):
    return Response(
        status, headers or {}, body if data is ABSENT else json.dumps(data).encode(), latency
    )


def judge(check, given):
    return judge_answer(Check(path="/api/users/1", **check), given)


def test_an_answer_that_is_as_described_has_no_findings():
    check = {"headers": {"X-Served-By": "users"}, "json_subset": {"id": 1}, "max_latency": 1.0}
    assert judge(check, answer({"id": 1, "name": "Ann"}, headers={"X-Served-By": "users"})) == []


def test_no_answer_is_a_finding():
    assert judge({}, Response(0, error="connection refused")) == ["no answer (connection refused)"]


def test_a_wrong_status_is_told_with_the_body():
    assert judge({}, answer(status=500, body=b"oops")) == ["status is 500, expected 200: 'oops'"]


def test_a_wrong_status_without_a_body_says_so():
    assert judge({}, answer(status=204)) == ["status is 204, expected 200: empty body"]


def test_a_missing_header_is_told():
    assert judge({"headers": {"X-Served-By": "users"}}, answer()) == [
        "header X-Served-By is None, expected 'users'"
    ]


def test_another_header_value_is_told():
    held = answer(headers={"X-Served-By": "monolith"})
    assert judge({"headers": {"X-Served-By": "users"}}, held) == [
        "header X-Served-By is 'monolith', expected 'users'"
    ]


@pytest.mark.parametrize(("latency", "count"), [(0.5, 0), (0.501, 1)])
def test_an_answer_may_take_as_long_as_allowed(latency, count):
    assert len(judge({"max_latency": 0.5}, answer(latency=latency))) == count


def test_status_header_and_latency_are_all_told_at_once():
    check = {"headers": {"X-Served-By": "users"}, "max_latency": 0.5}
    assert len(judge(check, answer(status=503, latency=2))) == 3


@pytest.mark.parametrize(
    ("wanted", "held"),
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
def test_a_json_subset_is_contained(wanted, held):
    assert judge({"json_subset": wanted}, answer(held)) == []


@pytest.mark.parametrize(
    ("wanted", "held", "finding"),
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
def test_what_is_not_contained_is_told_by_its_place(wanted, held, finding):
    assert judge({"json_subset": wanted}, answer(held)) == [finding]


def test_a_body_that_is_no_json_is_told():
    assert judge({"json_subset": {}}, answer(body=b"<html>")) == ["body is not JSON: '<html>'"]


def test_every_breach_of_the_schema_is_told_by_its_place():
    schema = {
        "type": "array",
        "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
    }
    assert judge({"json_schema": schema}, answer([{"id": 1}, {"id": "2"}, {}])) == [
        "$[1].id: '2' is not of type 'integer'",
        "$[2]: 'id' is a required property",
    ]


def test_a_body_that_meets_the_schema_is_right():
    assert judge({"json_schema": {"type": "array", "minItems": 1}}, answer([1])) == []


def test_the_body_is_not_looked_at_when_the_status_is_wrong():
    assert judge({"json_subset": {"id": 1}}, answer(status=404, body=b"Not Found")) == [
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
def test_json_values_are_the_same_as_json_means_them(one, other, same):
    assert same_json(one, other) is same
