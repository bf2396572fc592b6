"""Parity: which responses match, and what is shown of those that do not."""

import json

import httpx
import pytest

from config.errors import InvalidConfig
from config.service import Build, Parity, ServiceConfig
from tasks.http.client import Response
from tasks.http.parity import compare_responses, parity_paths


def response(data, *, status=200, content_type="application/json", error=None):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    headers = httpx.Headers({"Content-Type": content_type})
    return Response(status, headers, body, error=error)


def compare(monolith, candidate, **parity):
    return compare_responses("/api/users", monolith, candidate, Parity(**parity))


def what(monolith, candidate, **parity):
    difference = compare(monolith, candidate, **parity)
    return difference and difference.what


def service(**parity):
    patterns = ("/api/users*",)
    return ServiceConfig(
        name="users", path_patterns=patterns, build=Build(context="."), parity=Parity(**parity)
    )


def test_the_same_response_matches():
    assert what(response({"id": 1}), response({"id": 1})) is None


def test_the_order_of_keys_does_not_matter():
    assert what(response(b'{"a": 1, "b": 2}'), response(b'{"b":2,"a":1}')) is None


def test_a_number_matches_in_either_spelling():
    assert what(response(b"[1]"), response(b"[1.0]")) is None


@pytest.mark.parametrize(
    ("one", "other"), [([1], [True]), ({"id": 1}, {"id": "1"}), ([None], []), ([1, 2], [2, 1])]
)
def test_another_body_is_a_difference(one, other):
    assert what(response(one), response(other)) == "body"


def test_another_status_is_a_difference():
    difference = compare(response([]), response([], status=404))
    assert (difference.what, difference.monolith, difference.candidate) == ("status", "200", "404")


def test_another_content_type_is_a_difference():
    difference = compare(
        response(b"x", content_type="text/plain"), response(b"x", content_type="text/html")
    )
    assert (difference.what, difference.monolith, difference.candidate) == (
        "content type",
        "text/plain",
        "text/html",
    )


def test_parameters_of_the_content_type_do_not_matter():
    assert what(response([]), response([], content_type="Application/JSON; charset=utf-8")) is None


def test_no_response_is_a_difference():
    difference = compare(response([]), response(b"", status=0, error="connection reset"))
    assert (difference.what, difference.monolith, difference.candidate) == (
        "no response",
        "status 200",
        "connection reset",
    )


def test_what_is_not_json_is_compared_byte_by_byte():
    plain = {"content_type": "text/plain"}
    assert what(response(b"[1]", **plain), response(b"[1.0]", **plain)) == "body"


def test_json_that_cannot_be_read_is_compared_byte_by_byte():
    assert what(response(b"{"), response(b"{")) is None


def test_vendor_types_are_json_too():
    vendor = {"content_type": "application/vnd.forum+json"}
    assert what(response(b'{"a":1,"b":2}', **vendor), response(b'{"b":2,"a":1}', **vendor)) is None


@pytest.mark.parametrize(
    ("pointer", "one", "other"),
    [
        ("/at", {"id": 1, "at": 1}, {"id": 1, "at": 2}),
        ("/at", {"id": 1, "at": 1}, {"id": 1}),
        ("/meta/at", {"meta": {"at": 1, "v": 1}}, {"meta": {"at": 2, "v": 1}}),
        ("/*/at", [{"at": 1}, {"at": 2}], [{"at": 3}, {"at": 4}]),
        ("/*/at", {"a": {"at": 1}}, {"a": {"at": 2}}),
        ("/0", ["now", 1], ["then", 1]),
        (
            "/items/*/tags/*/at",
            {"items": [{"tags": [{"at": 1}]}]},
            {"items": [{"tags": [{"at": 2}]}]},
        ),
        ("/a~1b", {"a/b": 1}, {"a/b": 2}),
        ("/a~0b", {"a~b": 1}, {"a~b": 2}),
    ],
)
def test_an_ignored_field_may_differ(pointer, one, other):
    assert what(response(one), response(other), ignore=(pointer,)) is None


@pytest.mark.parametrize(
    ("pointer", "one", "other"),
    [
        ("/at", {"id": 1, "at": 1}, {"id": 2, "at": 2}),
        ("/at", [{"at": 1}], [{"at": 2}]),
        ("/*/at", [{"at": 1}], [{"at": 1}, {"at": 1}]),
        ("/1", [1, 2], [3, 2]),
    ],
)
def test_a_field_that_is_not_ignored_may_not_differ(pointer, one, other):
    assert what(response(one), response(other), ignore=(pointer,)) == "body"


def test_lists_may_come_in_another_order_where_allowed():
    one, other = {"ids": [{"id": 1}, {"id": 2}]}, {"ids": [{"id": 2}, {"id": 1}]}
    assert what(response(one), response(other), unordered=True) is None


def test_in_any_order_the_counts_have_to_match():
    assert what(response([1, 1, 2]), response([1, 2, 2]), unordered=True) == "body"


def test_an_ignored_field_does_not_decide_the_order():
    one, other = [{"id": 1, "at": 9}, {"id": 2, "at": 1}], [{"id": 2, "at": 5}, {"id": 1, "at": 7}]
    assert what(response(one), response(other), unordered=True, ignore=("/*/at",)) is None


def test_the_first_difference_of_long_bodies_is_shown():
    one = [{"id": number} for number in range(5000)]
    difference = compare(response(one), response([*one[:4000], {"id": -1}, *one[4001:]]))
    assert '{"id": 4000}' in difference.monolith
    assert '{"id": -1}' in difference.candidate


def test_both_sides_are_shown_one_above_the_other():
    assert str(compare(response([]), response([], status=500))) == (
        "GET /api/users: status\n      monolith:  200\n      candidate: 500"
    )


def test_the_listed_paths_are_compared():
    assert parity_paths(service(paths=("/api/users/1", "/api/users/2"))) == [
        "/api/users/1",
        "/api/users/2",
    ]


def test_of_the_file_only_paths_that_the_service_takes_over_are_compared(tmp_path):
    file = tmp_path / "paths.txt"
    file.write_text(
        "/api/users/1\n/api/posts/1\n\n# a comment\n  /api/users?page=2 \n/api/users/1\n"
    )
    assert parity_paths(service(paths_file=file)) == ["/api/users/1", "/api/users?page=2"]


def test_the_sample_is_spread_over_the_file(tmp_path):
    file = tmp_path / "paths.txt"
    file.write_text("".join(f"/api/users/{number}\n" for number in range(1000)))
    sample = [
        int(path.rpartition("/")[2]) for path in parity_paths(service(paths_file=file, sample=7))
    ]
    assert sample == list(range(0, 1000, 143))


def test_listed_paths_come_first_and_only_once(tmp_path):
    file = tmp_path / "paths.txt"
    file.write_text("/api/users/2\n/api/users/1\n")
    assert parity_paths(service(paths=("/api/users/1",), paths_file=file)) == [
        "/api/users/1",
        "/api/users/2",
    ]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    file = tmp_path / "paths.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        InvalidConfig, match=r"services\.users\.parity\.paths_file: .*paths\.txt cannot be read"
    ):
        parity_paths(service(paths_file=file))
