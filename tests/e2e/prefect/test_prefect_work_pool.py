"""
Two workers, as on two hosts, share one split through a work pool, until one of them is killed; then
the split runs again.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys

import pytest

from tests.e2e.aws_state import private_rules, read_services, weight, weights
from tests.e2e.configs import at_half_weight, edited_config, quick
from tests.e2e.runs import ROOT, wait_until
from tests.e2e.served import POLL, serving
from tests.processes import descendants

# Three heartbeats pass before a worker counts as dead.
pytestmark = pytest.mark.timeout(900)

POOL = "two-hosts"
# The split and its services are four runs, so that they need two workers.
ROOM = 2
# Path pattern, the forum's app that answers there, and a path on which it answers as the monolith.
SERVICES = {
    "user-list": ("/api/users", "users", "/api/users"),
    "users": ("/api/users/*", "users", "/api/users/1"),
    "threads": ("/api/threads/*", "threads", "/api/threads/1"),
}
# Long enough for the worker to be killed at half of the traffic.
BAKE = 15


class Worker:
    """`prefect worker start`, with room for some runs."""

    def __init__(self, served, name, directory):
        self.name = name
        with (directory / f"{name}.log").open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "prefect", "worker", "start"),
                    *("--pool", POOL, "--name", name, "--limit", str(ROOM)),
                ],
                cwd=ROOT,
                env={**os.environ, **served.environment, "AWS_CONFIG_FILE": os.devnull},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self):
        """Kill it with every run on it, as when its host is gone."""
        pids = [self.process.pid, *(pid for pid, _ in descendants(self.process.pid))]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def four_services(config):
    builds = {service["name"]: service["build"] for service in config["services"]}
    config["services"] = []
    for name, (pattern, app, alike) in SERVICES.items():
        service = {"name": name, "path_patterns": [pattern], "build": builds[app]}
        config["services"].append({**service, "checks": [{"path": alike}]})
    config["monolith"]["drain"] = "never"


def on_the_pool(config):
    config["fan_out"] = "work_pool"
    config["max_parallel"] = len(SERVICES)


class Story:
    """A split that loses one of two workers in the middle of a shift, and the split after it."""

    def __init__(self, served, sandbox, config, start_worker):
        self._served = served
        start_worker("one")
        first = served.run("split", config={"path": str(config)})
        served.wait_for_state(first, "Running")
        second = start_worker("two")
        wait_until(lambda: any(weight(sandbox, name) == 50 for name in SERVICES), 180)
        wait_until(lambda: self.runs_by_worker().get("two", 0) > 1, 60, POLL)
        second.kill()
        self.runs_before = self.runs_by_worker()
        self.first = served.wait_for_state(first, timeout=400)
        self.again = served.wait_for_state(served.run("split", config={"path": str(config)}))
        self.weights = {name: groups[f"{name}-tg"] for name, groups in weights(sandbox).items()}
        self.services = set(read_services(sandbox))
        self.private_rules = private_rules(sandbox)

    def runs_by_worker(self):
        """{worker: how many runs it has taken}."""
        runs = {}
        for message in self._served.logs():
            taken = re.search(r"Worker '(.+)' submitting flow run", message)
            if taken:
                runs[taken[1]] = runs.get(taken[1], 0) + 1
        return runs


@pytest.fixture(scope="module")
def served():
    with serving() as running:
        command = [sys.executable, "-m", "flows.register", "--pool", POOL]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **running.environment}, check=True)
        yield running


@pytest.fixture(scope="module")
def start_worker(served, module_directory):
    workers = []

    def start(name):
        workers.append(Worker(served, name, module_directory))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


@pytest.fixture(scope="module")
def story(served, start_worker, start_module_sandbox, module_directory):
    sandbox = start_module_sandbox()
    edits = (four_services, quick, on_the_pool, at_half_weight(BAKE))
    config = edited_config(sandbox, module_directory, *edits)
    return Story(served, sandbox, config, start_worker)


def test_two_workers_share_a_split(story):
    assert {name: runs > 1 for name, runs in story.runs_before.items()} == {
        "one": True,
        "two": True,
    }


def test_a_split_that_loses_a_worker_fails(story):
    assert story.first == "Failed"


def test_the_same_split_completes_when_it_runs_again(story):
    assert story.again == "Completed"


def test_every_service_has_all_traffic_in_the_end(story):
    assert story.weights == dict.fromkeys(SERVICES, 100)


def test_the_cluster_has_the_services_of_the_split(story):
    assert story.services == {*SERVICES, "monolith"}


def test_no_lock_and_no_private_rule_is_left(story):
    assert story.private_rules == []
