"""Which paths a log tells of."""

import pytest

from tasks.cloudwatch.request_log import requested_paths


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("GET /api/threads/2?page=1 200 0.4 ms", id="the forum's"),
        pytest.param(
            '10.0.0.7 - - [24/Nov/2026:21:00:00 +0000] "GET /api/threads/2 HTTP/1.1" 200 2326',
            id="common",
        ),
        pytest.param(
            'INFO: 10.0.0.7:4711 - "GET /api/threads/2?x=y HTTP/1.1" 200 OK', id="uvicorn"
        ),
        pytest.param("proxied GET http://forum.example.com/api/threads/2 in 3 ms", id="absolute"),
    ],
)
def test_the_path_of_a_request_is_found(line):
    assert requested_paths([line]) == {"/api/threads/2": 1}


@pytest.mark.parametrize("line", ["listening on /run/app.sock", "TARGET /etc", "", "GET users"])
def test_a_line_without_a_request_does_not_count(line):
    assert requested_paths([line]) == {}


def test_a_path_is_counted_as_often_as_it_was_requested():
    assert requested_paths(["GET /a 200", "POST /a 201", "GET /b 200"]) == {"/a": 2, "/b": 1}
