"""Both engines through docker-py and the registry: build, push, pull, start, stop."""

import base64
import threading
import time
import urllib.request
from contextlib import ExitStack, closing

import docker
import docker.errors
import pytest

from sandbox.addresses import Addresses
from sandbox.ecr.registry import Registry
from sandbox.engine.base import ContainerSpec, ImageUnavailable
from sandbox.engine.find import find_engine
from tests.integration.sandbox.strictness import served_aws

PORT = 3000
APP = f"""
import http.server, os, signal, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["GREETING"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

def leave(*_):
    print("leaving", flush=True)
    sys.exit(3)

signal.signal(signal.SIGTERM, leave)
print("first line", flush=True)
print("to stderr", file=sys.stderr, flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", {PORT}), Answer).serve_forever()
"""
DOCKERFILE = """
ARG BASE=split-sandbox/python
FROM ${BASE}
WORKDIR /app
COPY app.py .
ENV GREETING=hello
EXPOSE 3000
CMD ["python", "app.py"]
"""


class Parts:
    def __init__(self, engine, registry, ecr):
        self.engine, self.registry, self.ecr = engine, registry, ecr
        self.client = docker.DockerClient(base_url=engine.docker_host)

    def login(self):
        token = self.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        username, _, password = base64.b64decode(token).decode().partition(":")
        return {"username": username, "password": password}

    def build(self, folder, reference, **arguments):
        stream = self.client.api.build(
            path=str(folder), tag=reference, rm=True, decode=True, **arguments
        )
        return [event.get("error") or event.get("stream", "") for event in stream]

    def push(self, name, tag, login=None):
        login = login or self.login()
        events = list(
            self.client.api.push(name, tag=tag, auth_config=login, stream=True, decode=True)
        )
        return [event["error"] for event in events if "error" in event]


class Lines(list):
    """Lines that can be awaited."""

    def __init__(self):
        super().__init__()
        self._changed = threading.Condition()

    def add(self, line):
        with self._changed:
            self.append(line)
            self._changed.notify_all()

    def wait_for(self, line):
        with self._changed:
            assert self._changed.wait_for(lambda: line in self, 20), list(self)


@pytest.fixture(
    scope="module", params=["process", pytest.param("docker", marks=pytest.mark.docker)]
)
def parts(request, tmp_path_factory, cache):  # noqa: ARG001 - fixtures are asked for by name
    run_dir = tmp_path_factory.mktemp("run")
    with ExitStack() as stack:
        addresses = stack.enter_context(closing(Addresses()))
        made = []

        def registry(url):
            made.append(Registry(url, run_dir / "registry"))
            return made

        ecr = stack.enter_context(served_aws(registry)).client("ecr")
        engine = find_engine(request.param, made[0].login, addresses, run_dir)
        stack.enter_context(closing(engine))
        found = Parts(engine, made[0], ecr)
        stack.enter_context(closing(found.client))
        yield found


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("context")
    (folder / "app.py").write_text(APP)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


@pytest.fixture(scope="module")
def pinned(parts, context):
    """A pushed image of the application, pinned by its digest."""
    uri = parts.ecr.create_repository(repositoryName="greeter")["repository"]["repositoryUri"]
    parts.build(context, f"{uri}:v1")
    assert parts.push(uri, "v1") == []
    digest = parts.ecr.describe_images(repositoryName="greeter")["imageDetails"][0]["imageDigest"]
    return f"{uri}@{digest}"


@pytest.fixture
def start(parts, pinned):
    """Start containers that are stopped at the end."""
    with ExitStack() as stack:

        def started(**fields):
            lines = Lines()
            parts.engine.pull(pinned)
            name = f"t-{time.monotonic_ns()}"
            container = parts.engine.start(
                ContainerSpec(name=name, image=pinned, **fields), lines.add
            )
            stack.callback(container.stop)
            return container, lines

        yield started


def get(container):
    with urllib.request.urlopen(f"http://{container.address}:{PORT}/", timeout=5) as response:
        return response.read().decode()


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_until_served(container):
    def answers():
        try:
            return bool(get(container))
        except OSError:
            return False

    wait_until(answers)


def test_a_pushed_image_is_pulled_by_its_digest(parts, pinned):
    assert parts.engine.pull(pinned) == pinned.partition("@")[2]


def test_a_container_answers_on_its_own_address(start):
    container, _ = start()
    wait_until_served(container)
    assert get(container) == "hello"


def test_two_containers_listen_on_the_same_port(start):
    first, second = start()[0], start(environment={"GREETING": "welcome"})[0]
    wait_until_served(first)
    wait_until_served(second)
    assert (get(first), get(second)) == ("hello", "welcome")


def test_lines_of_stdout_and_stderr_are_delivered(start):
    _, lines = start()
    lines.wait_for("first line")
    lines.wait_for("to stderr")


def test_a_container_may_end_by_itself_on_sigterm(start):
    container, lines = start()
    wait_until_served(container)
    container.stop()
    assert (container.exit_code(), lines[-1]) == (3, "leaving")


def test_a_container_that_ignores_sigterm_is_killed(start):
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); "
        "time.sleep(60)"
    )
    container, lines = start(command=("python", "-c", code), stop_timeout=0.5)
    lines.wait_for("deaf")
    container.stop()
    assert container.exit_code() == 137


def test_every_line_is_delivered_before_the_exit_code(start):
    container, lines = start(command=("python", "-c", "print(*range(5000), sep='\\n')"))
    wait_until(lambda: container.exit_code() is not None)
    assert lines == [str(number) for number in range(5000)]


def test_the_environment_is_the_images_and_the_task_definitions(start):
    code = (
        "import os; print(sorted(set(os.environ) & {'GREETING', 'EXTRA', "
        "'PYTEST_CURRENT_TEST', 'VIRTUAL_ENV'}))"
    )
    container, lines = start(command=("python", "-c", code), environment={"EXTRA": "1"})
    wait_until(lambda: container.exit_code() is not None)
    assert lines == ["['EXTRA', 'GREETING']"]


def test_a_container_that_uses_too_much_memory_is_killed(start):
    code = "data = b'x' * (200 << 20); print('survived'); import time; time.sleep(30)"
    container, _ = start(command=("python", "-c", code), memory=64)
    wait_until(lambda: container.exit_code() is not None)
    assert container.exit_code() == 137


def test_a_running_container_is_listed_with_its_labels(parts, start):
    container, _ = start(labels={"com.amazonaws.ecs.cluster": "forum"}, stop_timeout=1)
    listed = parts.client.containers.list(filters={"label": "com.amazonaws.ecs.cluster=forum"})
    addresses = [
        next(iter(found.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
        for found in listed
    ]
    assert addresses == [container.address]


@pytest.mark.usefixtures("pinned")
def test_a_missing_image_cannot_be_pulled(parts):
    with pytest.raises(ImageUnavailable, match=r"^CannotPullContainerError: .*not found"):
        parts.engine.pull(f"{parts.registry.host}/greeter:v9")


@pytest.mark.usefixtures("pinned")
def test_a_push_to_a_repository_that_ecr_does_not_have_fails(parts):
    uri = f"{parts.registry.host}/nowhere"
    parts.client.images.get(f"{parts.registry.host}/greeter:v1").tag(uri, "v1")
    assert ["does not exist in the registry" in error for error in parts.push(uri, "v1")] == [True]


@pytest.mark.usefixtures("pinned")
def test_a_push_without_a_good_login_fails(parts):
    errors = parts.push(
        f"{parts.registry.host}/greeter", "v1", {"username": "AWS", "password": "guess"}
    )
    assert errors == ["unauthorized: Not Authorized"]


@pytest.mark.usefixtures("pinned")
def test_an_immutable_tag_keeps_its_image(parts, tmp_path):
    parts.ecr.put_image_tag_mutability(repositoryName="greeter", imageTagMutability="IMMUTABLE")
    (tmp_path / "app.py").write_text("print('other')")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    parts.build(tmp_path, f"{parts.registry.host}/greeter:v1")
    assert [
        "cannot be overwritten" in error
        for error in parts.push(f"{parts.registry.host}/greeter", "v1")
    ] == [True]


def test_the_engine_names_itself_in_its_version(parts):
    names = [component["Name"] for component in parts.client.version()["Components"]]
    assert ("process" in names) is (parts.engine.name == "process")
