"""
Two workers, as two hosts would, share one split through a work pool; one of them is killed in the
middle.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys

import pytest

from tests.e2e.aws_state import private_rules, read_services, weights
from tests.e2e.runs import ROOT, edited_config, quick, wait_until
from tests.e2e.served import serving
from tests.processes import descendants

# Three heartbeats pass before a worker counts as dead.
pytestmark = pytest.mark.timeout(900)

POOL = "two-hosts"
SERVICES = {
    "user-list": ("/api/users", "users"),
    "users": ("/api/users/*", "users"),
    "post-list": ("/api/posts", "posts"),
    "thread-posts": ("/api/posts/in-thread/*", "posts"),
    "thread-list": ("/api/threads", "threads"),
    "threads": ("/api/threads/*", "threads"),
}
ALIKE = {
    "users": "/api/users/1",
    "thread-posts": "/api/posts/in-thread/1",
    "threads": "/api/threads/1",
}


class Worker:
    """`prefect worker start`, with room for four runs, so that seven need two."""

    def __init__(self, served, name, directory):
        self.name = name
        with (directory / f"{name}.log").open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "prefect", "worker", "start"),
                    *("--pool", POOL, "--name", name, "--limit", "4"),
                ],
                cwd=ROOT,
                env={**os.environ, **served.environment, "AWS_CONFIG_FILE": os.devnull},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self):
        """Its host is gone, with every run on it."""
        pids = [self.process.pid, *(pid for pid, _ in descendants(self.process.pid))]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def served():
    with serving() as running:
        command = [sys.executable, "-m", "flows.register", "--pool", POOL]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **running.environment}, check=True)
        yield running


@pytest.fixture
def start_worker(served, tmp_path):
    workers = []

    def start(name):
        workers.append(Worker(served, name, tmp_path))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


def six_services(config):
    contexts = {service["name"]: service["build"] for service in config["services"]}
    config["services"] = [
        {
            "name": name,
            "path_patterns": [pattern],
            "build": contexts[app],
            "checks": [{"path": ALIKE.get(name, pattern)}],
        }
        for name, (pattern, app) in SERVICES.items()
    ]
    config["monolith"]["drain"] = "never"


def on_the_pool(config):
    config["fan_out"] = "work_pool"
    config["max_parallel"] = len(SERVICES)


def long_enough_to_be_killed_in(config):
    config["traffic"]["shift"] = {
        "strategy": "steps",
        "list": [{"weight": 50, "bake": 15}, {"weight": 100, "bake": 0}],
    }


def workers_of(served):
    """{worker: how many runs of services it has taken}."""
    taken = [re.search(r"Worker '(.+)' submitting flow run", message) for message in served.logs()]
    names = [match[1] for match in taken if match]
    return {name: names.count(name) for name in set(names)}


@pytest.fixture
def config(start_sandbox, tmp_path):
    sandbox = start_sandbox()
    return sandbox, edited_config(
        sandbox, tmp_path, six_services, quick, on_the_pool, long_enough_to_be_killed_in
    )


def test_a_split_that_loses_one_of_two_workers_is_completed_by_running_it_again(
    served, start_worker, config
):
    sandbox, path = config
    start_worker("one")
    first = served.run("split", config={"path": str(path)})
    served.wait_for_state(first, "Running")
    second = start_worker("two")
    wait_until(
        lambda: any(50 in groups.values() for groups in weights(sandbox).values()), timeout=180
    )
    wait_until(lambda: workers_of(served).get("two", 0) > 1, timeout=60)
    second.kill()
    assert served.wait_for_state(first, timeout=400) == "Failed"
    again = served.run("split", config={"path": str(path)})
    assert served.wait_for_state(again) == "Completed"
    assert {
        name: groups[f"{name}-tg"] for name, groups in weights(sandbox).items()
    } == dict.fromkeys(SERVICES, 100)
    assert set(read_services(sandbox)) == {*SERVICES, "monolith"}
    assert private_rules(sandbox) == []
