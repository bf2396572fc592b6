"""Fixtures that run the sandbox as what it is: a program of its own."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import boto3
import botocore.session
import pytest
import yaml

from tests.machine import lacks
from tests.processes import descendants, is_alive

ROOT = Path(__file__).parents[1]
START_TIMEOUT = 90
END_TIMEOUT = 60


def pytest_collection_modifyitems(items):
    """
    Tests that need more than this machine has are skipped; `.ci/run`, where each has to run, reads
    the marks.
    """
    for item in items:
        for mark in ("docker", "browser"):
            if item.get_closest_marker(mark):
                item.user_properties.append(("needs", mark))
                reason = lacks(mark)
                if reason:
                    item.add_marker(pytest.mark.skip(reason=reason))


class SandboxProcess:
    """
    `python -m sandbox`, running.

    `state` is what it says about itself: endpoint_url, docker_host, alb_url, engine, config, pid.
    """

    def __init__(self, directory, temporary, *arguments):
        self.directory = directory
        self.state_file, self.record_file = directory / "state.json", directory / "record.jsonl"
        self.log = directory / "sandbox.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "sandbox"),
                    *("--state-file", str(self.state_file), "--record", str(self.record_file)),
                    *arguments,
                ],
                cwd=ROOT,
                env={**os.environ, "TMPDIR": str(temporary)},
                stdout=subprocess.PIPE,
                stderr=log,
                # A Ctrl-C that is meant for pytest lets the fixtures end it in order.
                start_new_session=True,
            )
        try:
            self.state = self._wait_until_ready()
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise

    def _wait_until_ready(self):
        ready, _, _ = select.select([self.process.stdout], [], [], START_TIMEOUT)
        line = self.process.stdout.readline() if ready else b""
        assert line, f"the sandbox is not ready; its log:\n{self.log.read_text()}"
        return json.loads(line)

    def boto(self, service):
        """A client with the credentials that a user of this sandbox has."""
        core = botocore.session.Session()
        if self.state["config"]:
            aws = yaml.safe_load(Path(self.state["config"]).read_text())["aws"]
            core.set_config_variable("credentials_file", aws["shared_credentials_file"])
        else:
            core.set_credentials("AKIAREHEARSAL", "rehearsal")
        session = boto3.Session(botocore_session=core, region_name="us-east-1")
        return session.client(service, endpoint_url=self.state["endpoint_url"])

    def faults(self, spec):
        """Put other faults in force; returns what the sandbox says about them."""
        return self._ask_faults(data=spec.encode(), method="PUT")

    def is_holding(self):
        """Whether it holds back the answer of the call that `hold=N` names."""
        return self._ask_faults()["holding"]

    def _ask_faults(self, **request):
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.state['endpoint_url']}/_sandbox/faults", **request),
            timeout=10,
        ) as answer:
            return json.load(answer)

    def record(self):
        """Every AWS API call so far that was not the sandbox's own."""
        return [json.loads(line) for line in self.record_file.read_text().splitlines()]

    def get(self, path):
        """Status, headers and body of a request through the load balancer."""
        with urllib.request.urlopen(f"{self.state['alb_url']}{path}", timeout=10) as answer:
            return answer.status, answer.headers, answer.read()

    def descendants(self):
        """{(pid, start time): command line} of all processes below it."""
        return descendants(self.process.pid)

    def end(self, number=signal.SIGTERM):
        """
        Send the signal; return the exit code, and the processes that it had started and left
        behind.
        """
        started = self.descendants()
        self.process.send_signal(number)
        try:
            self.process.communicate(timeout=END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        return self.process.returncode, [
            command for identity, command in started.items() if is_alive(identity)
        ]


@contextlib.contextmanager
def _running(directory, temporary, *arguments):
    sandbox = SandboxProcess(directory, temporary, *arguments)
    try:
        yield sandbox
    finally:
        if sandbox.process.poll() is None:
            code, left = sandbox.end()
            assert (code, left) == (0, []), sandbox.log.read_text()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """A sandbox with the forum in it, shared by all tests that leave it as they found it."""
    directory = tmp_path_factory.mktemp("sandbox")
    with _running(directory, directory, "--engine", "process") as running:
        yield running


@contextlib.contextmanager
def _starting(tmp_path_factory):
    with contextlib.ExitStack() as stack:

        def start(*arguments, directory=None):
            """
            `directory` is where it keeps its files, e.g. that of another sandbox; a new one by
            default.
            """
            engine = () if "--engine" in arguments else ("--engine", "process")
            made = tmp_path_factory.mktemp("sandbox")
            return stack.enter_context(_running(made, directory or made, *engine, *arguments))

        yield start


@pytest.fixture
def start_sandbox(tmp_path_factory):
    """Starts sandboxes of the test's own, with the arguments given; ends those that still run."""
    with _starting(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def start_module_sandbox(tmp_path_factory):
    """As `start_sandbox`, for what a module's tests share."""
    with _starting(tmp_path_factory) as start:
        yield start
