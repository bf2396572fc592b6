"""The forum's four programs: the lab's answers, the name of the server, an orderly stop."""

import contextlib
import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config.load import load_config
from config.path_pattern import matches

FORUM = Path(__file__).parents[3] / "examples" / "forum"
SERVICES = ("users", "posts", "threads")
COMMON = ("/", "/api", "/api/")
PATHS = {
    "users": (
        "/api/users",
        "/api/users/1",
        "/api/users/99",
        "/api/users/x",
        "/api/users/1/posts",
        "/api/usersX",
    ),
    "threads": ("/api/threads", "/api/threads/3", "/api/threads/99", "/api/threadsX"),
    "posts": (
        "/api/posts",
        "/api/posts/1",
        "/api/posts/in-thread/1",
        "/api/posts/in-thread/99",
        "/api/posts/by-user/4",
        "/api/posts/by-user/99",
        "/api/postsX",
    ),
}


class App:
    """One running program of the forum."""

    def __init__(self, name, process):
        self.name, self.process = name, process
        first = process.stdout.readline()
        self.port = int(re.fullmatch(rf"{name} listens on port (\d+)\n", first)[1])

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def ask(self, path, method="GET", headers=None):
        """Status, headers and body."""
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()


def run(name, **environment):
    return subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=FORUM / name,
        env={
            "PATH": os.environ["PATH"],
            "HOST": "127.0.0.1",
            "PORT": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def start():
    """Starts a program, and ends it by its id."""
    with contextlib.ExitStack() as stack:

        def start_one(name, **environment):
            process = stack.enter_context(run(name, **environment))
            stack.callback(process.kill)
            return App(name, process)

        yield start_one


@pytest.fixture(scope="module")
def apps():
    """All four, by name."""
    with contextlib.ExitStack() as stack:
        running = {}
        for name in ("monolith", *SERVICES):
            process = stack.enter_context(run(name))
            stack.callback(process.kill)
            running[name] = App(name, process)
        yield running


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/", 200, "Ready to receive requests"),
        ("/api", 200, "API ready to receive requests"),
        ("/api/", 200, "API ready to receive requests"),
        ("/api/users/99", 204, ""),
        ("/api/threads/99", 204, ""),
        ("/api/posts/in-thread/99", 200, "[]"),
        ("/api/posts/by-user/99", 200, "[]"),
        ("/api/posts/1", 404, "Not Found"),
        ("/api/usersX", 404, "Not Found"),
        ("/elsewhere", 404, "Not Found"),
    ],
)
def test_the_monolith_answers_as_the_labs(apps, path, status, body):
    answer = apps["monolith"].ask(path)
    assert (answer[0], answer[2].decode()) == (status, body)


@pytest.mark.parametrize(
    ("path", "count"), [("/api/users", 4), ("/api/threads", 3), ("/api/posts", 6)]
)
def test_a_collection_is_a_json_list(apps, path, count):
    assert len(json.loads(apps["monolith"].ask(path)[2])) == count


def test_one_user_is_a_json_object(apps):
    assert json.loads(apps["monolith"].ask("/api/users/1")[2])["username"] == "juniper"


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name in SERVICES for path in (*COMMON, *PATHS[name])]
)
def test_a_service_answers_its_paths_as_the_monolith_does(apps, name, path):
    theirs, ours = apps["monolith"].ask(path), apps[name].ask(path)
    assert (ours[0], ours[1]["Content-Type"], ours[2]) == (
        theirs[0],
        theirs[1]["Content-Type"],
        theirs[2],
    )


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_does_not_serve_the_others_paths(apps, name):
    others = [f"/api/{other}" for other in SERVICES if other != name]
    assert [apps[name].ask(path)[0] for path in others] == [404, 404]


@pytest.mark.parametrize("name", ["monolith", *SERVICES])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/nowhere"), ("POST", "/"), ("BREW", "/")]
)
def test_every_answer_names_its_server(apps, name, method, path):
    assert apps[name].ask(path, method)[1]["X-Served-By"] == name


def test_head_has_the_length_and_no_body(apps):
    status, headers, body = apps["users"].ask("/api/users", "HEAD")
    assert (status, headers["Content-Length"], body) == (
        200,
        str(len(apps["users"].ask("/api/users")[2])),
        b"",
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_forum_is_read_only(apps, method):
    status, headers, _ = apps["monolith"].ask("/api/users", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_a_connection_is_kept_alive(apps):
    with contextlib.closing(apps["monolith"].connect()) as connection:
        ports = set()
        for path in ("/api/users", "/api/users/99", "/nowhere"):
            connection.request("GET", path)
            connection.getresponse().read()
            ports.add(connection.sock.getsockname()[1])
    assert len(ports) == 1


def test_every_request_is_one_log_line(start):
    app = start("users")
    app.ask("/api/users/1?x=1")
    app.ask("/nowhere")
    lines = [app.process.stdout.readline().rsplit(maxsplit=2)[0] for _ in range(2)]
    assert lines == ["GET /api/users/1?x=1 200", "GET /nowhere 404"]


class Stopping:
    """A program that gets SIGTERM while it has a slow request to answer."""

    def __init__(self, app):
        self.app = app
        self.idle = app.connect()
        self.idle.request("GET", "/")
        self.idle.getresponse().read()
        self.busy = app.connect()
        self.busy.request("GET", "/api/users")
        assert app.process.stdout.readline().startswith("GET / 200")
        app.process.send_signal(signal.SIGTERM)
        assert app.process.stdout.readline() == "SIGTERM: finishing\n"


@pytest.fixture
def stopping(start):
    found = Stopping(start("users", FORUM_DELAY_MS="500"))
    yield found
    found.idle.close()
    found.busy.close()


def test_a_request_in_flight_finishes_after_sigterm(stopping):
    answer = stopping.busy.getresponse()
    assert (answer.status, len(json.loads(answer.read()))) == (200, 4)


def test_the_last_answer_closes_the_connection(stopping):
    assert stopping.busy.getresponse().headers["Connection"] == "close"


def test_sigterm_closes_idle_connections(stopping):
    readable, _, _ = select.select([stopping.idle.sock], [], [], 5)
    assert readable
    assert stopping.idle.sock.recv(1) == b""


def test_sigterm_ends_with_0(stopping):
    stopping.busy.getresponse().read()
    assert stopping.app.process.wait(10) == 0


def test_nothing_new_is_accepted_after_sigterm(stopping):
    stopping.idle.sock.recv(
        1
    )  # returns when idle connections are closed, which comes after the listener
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", stopping.app.port), timeout=5)


def test_no_request_that_was_sent_before_sigterm_fails(start):
    app = start("users", FORUM_DELAY_MS="100")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(app.connect())) for _ in range(20)]
        for client in clients:
            client.request("GET", "/api/users")
        app.process.send_signal(signal.SIGTERM)
        assert [client.getresponse().status for client in clients] == [200] * 20


def test_wrong_json_on_request(start):
    assert (
        json.loads(start("users", FORUM_WRONG_JSON="1").ask("/api/users/1")[2])["wrong"]["id"] == 1
    )


def test_a_delay_on_request(start):
    app = start("users", FORUM_DELAY_MS="250")
    app.ask("/api/users")
    assert float(app.process.stdout.readline().split()[-2]) >= 250


def test_a_share_of_failures_on_request(start):
    app = start("users", FORUM_FAIL_SHARE="0.5")
    assert {app.ask("/api/users")[0] for _ in range(60)} == {200, 500}


def test_failures_with_another_status_on_request(start):
    app = start("users", FORUM_FAIL_SHARE="1", FORUM_FAIL_STATUS="404")
    assert app.ask("/api/users")[0] == 404


def test_more_requests_than_a_highest_rate_allows_are_refused(start):
    app = start("users", FORUM_MAX_RATE="1")
    assert [app.ask("/api/users")[0] for _ in range(12)][-1] == 503


def test_requests_with_the_header_are_spared_failures(start):
    app = start("users", FORUM_FAIL_SHARE="1", FORUM_FAIL_UNLESS_HEADER="X-Preview")
    assert app.ask("/api/users", headers={"X-Preview": "1"})[0] == 200


def test_the_health_check_is_spared_failures(start):
    assert start("users", FORUM_FAIL_SHARE="1", FORUM_WRONG_JSON="1").ask("/")[::2] == (
        200,
        b"Ready to receive requests",
    )


def test_a_crash_on_request():
    with run("users", FORUM_CRASH="1") as process:
        assert process.wait(10) == 1


def test_the_four_have_the_same_web_server():
    assert len({(FORUM / name / "web.py").read_bytes() for name in ("monolith", *SERVICES)}) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_slice_of_the_monoliths_data(name):
    whole = json.loads((FORUM / "monolith" / "db.json").read_text(encoding="utf-8"))
    assert json.loads((FORUM / name / "db.json").read_text(encoding="utf-8")) == {name: whole[name]}


@pytest.mark.parametrize("name", SERVICES)
def test_split_yaml_checks_only_what_the_service_takes_over(name):
    service = load_config(FORUM / "split.yaml").service(name)
    paths = [check.path for check in service.checks] + list(service.parity.paths)
    assert [
        path
        for path in paths
        if not any(matches(pattern, path) for pattern in service.path_patterns)
    ] == []


def test_split_yaml_lets_the_monolith_be_drained():
    monolith = load_config(FORUM / "split.yaml").monolith
    assert (monolith.drain, monolith.default_action.action) == ("auto", "forward")


def test_split_yaml_leaves_no_path_to_two_services():
    assert load_config(FORUM / "split.yaml").ambiguous_patterns() == []
