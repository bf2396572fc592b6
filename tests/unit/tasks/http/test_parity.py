"""Parity: which responses match, and what is shown of those that do not."""

import json

import httpx
import pytest

from config.errors import InvalidConfig
from config.service import Build, Parity, ServiceConfig
from tasks.http.client import Response
from tasks.http.comparison.difference import compare_responses, why_inconclusive
from tasks.http.comparison.noise import Noise, noise_between
from tasks.http.comparison.parity import parity_paths


def response(data, *further, status=200, content_type="application/json", error=None):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    headers = httpx.Headers([("Content-Type", content_type), *further])
    return Response(status, headers, body, error=error)


def noisy(one, other, candidate, **parity):
    """What differs, where the monolith answered the same request with `one` and `other`."""
    settings = Parity(**parity)
    noise = noise_between(one, other, settings)
    difference = compare_responses("/api/users", one, candidate, settings, noise)
    return difference and difference.what


def reason(monolith, candidate, expected=(), noise=Noise()):  # noqa: B008 - it is frozen
    return why_inconclusive(monolith, candidate, expected, noise)


def redirect(location):
    return response(b"", ("Location", location), status=302, content_type="text/plain")


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


def test_a_time_in_the_monoliths_own_answers_is_noise():
    one, other, candidate = (response({"id": 1, "at": at}) for at in (1, 2, 3))
    assert noisy(one, other, candidate) is None
    assert noisy(one, other, response({"id": 2, "at": 3})) == "body"


def test_a_field_that_is_noise_in_one_item_is_noise_in_all():
    one, other = response([{"at": 1}, {"at": 1}]), response([{"at": 1}, {"at": 2}])
    assert noisy(one, other, response([{"at": 7}, {"at": 8}])) is None
    assert noisy(one, other, response([{"at": 1}, {"at": 1}, {"at": 1}])) == "body"


def test_noise_in_a_plain_list_is_that_item_only():
    one, other = response(["now", "v1"]), response(["then", "v1"])
    assert noisy(one, other, response(["later", "v1"])) is None
    assert noisy(one, other, response(["later", "v2"])) == "body"


def test_two_items_of_a_plain_list_can_be_noise():
    assert noisy(response([1, 2, 3]), response([8, 9, 3]), response([4, 5, 3])) is None


def test_a_field_that_the_service_lacks_is_no_noise():
    one, other = response({"at": 1, "id": 1}), response({"at": 2, "id": 1})
    assert noisy(one, other, response({"at": 3})) == "body"


def test_the_order_of_lists_is_not_noise_in_their_items():
    one = response([{"id": 1, "at": 5}, {"id": 2, "at": 6}])
    other = response([{"id": 2, "at": 1}, {"id": 1, "at": 2}])
    same = response([{"id": 2, "at": 9}, {"id": 1, "at": 8}])
    wrong = response([{"id": 3, "at": 9}, {"id": 1, "at": 8}])
    assert noisy(one, other, same, unordered=True) is None
    assert noisy(one, other, wrong, unordered=True) == "body"


def test_a_token_in_a_page_is_noise_and_its_text_is_not():
    page = b'<form><input name="csrf" value="%s"><b>%s</b></form>'
    html = {"content_type": "text/html"}
    one, other = (response(page % (token, b"cart"), **html) for token in (b"a1", b"b2"))
    assert noisy(one, other, response(page % (b"c3", b"cart"), **html)) is None
    assert noisy(one, other, response(page % (b"c3", b"shop"), **html)) == "body"


def test_a_header_that_changes_at_the_monolith_is_noise():
    answers = [response([], ("Cache-Control", f"max-age={age}")) for age in (10, 9, 8)]
    assert noisy(*answers) is None


def test_noise_is_named():
    one = response({"at": 1}, ("Location", "/1"))
    other = response({"at": 2}, ("Location", "/2"))
    assert list(noise_between(one, other, Parity()).lines()) == ["/at", "header Location"]


def test_two_lists_of_other_lengths_have_nothing_in_common():
    assert noise_between(response([1]), response([1, 2]), Parity()).body


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("Cache-Control", "no-store", "max-age=60"),
        ("Location", "/a", "/b"),
        ("Set-Cookie", "session=1; Path=/", "sid=1"),
        ("Access-Control-Allow-Origin", "*", "https://shop.test"),
    ],
)
def test_a_header_that_matters_to_clients_is_compared(name, one, other):
    found = (response([], (name, one)), response([], (name, other)))
    assert what(*found) == f"header {name}"
    assert what(response([], (name, one)), response([])) == f"header {name}"
    assert what(*found, ignore_headers=(name.lower(),)) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Cache-Control", "no-cache, private"), ("Cache-Control", "Private,no-cache")),
        (("Set-Cookie", "session=1; Path=/"), ("Set-Cookie", "session=2; Secure")),
        (("Set-Cookie", "AWSALB=1"), ("Set-Cookie", "AWSALBCORS=1")),
        (("Date", "1"), ("Date", "2")),
    ],
)
def test_spelling_and_values_that_clients_do_not_see_are_not_compared(one, other):
    assert what(response([], one), response([], other)) is None


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_the_same_error_from_both_shows_nothing(status):
    error = response([], status=status)
    assert str(status) in reason(error, error)


def test_an_error_that_a_check_expects_is_compared():
    error = response([], status=404)
    assert reason(error, error, expected={404}) is None


@pytest.mark.parametrize(("one", "other"), [(200, 404), (401, 200), (404, 500), (200, 429)])
def test_an_error_of_one_side_is_a_difference(one, other):
    pair = (response([], status=one), response([], status=other))
    assert reason(*pair) is None
    assert what(*pair) == "status"


@pytest.mark.parametrize("location", ["/login?next=/cart", "https://id.shop.test/oauth2/authorize"])
def test_two_redirects_to_a_login_show_nothing(location):
    assert reason(redirect(location), redirect(location)) == "both redirect to a login"


def test_a_redirect_to_a_page_is_compared():
    assert reason(redirect("/authors/1"), redirect("/authors/2")) is None
    assert what(redirect("/authors/1"), redirect("/authors/2")) == "header Location"


def test_a_monolith_that_is_limited_or_silent_shows_nothing():
    assert reason(response([], status=429), response([]))
    assert reason(response(b"", status=0, error="connection reset"), response([]))
    assert reason(response([]), response([]), noise=Noise(status=True))
