"""One run at a time on a listener."""

import json
import time

import pytest

from tests.e2e import aws_state
from tests.e2e.runs import edited_config, only, quick


class Rivals:
    """Two runs of one config that are started together."""

    def __init__(self, sandbox, config, start_run):
        self.sandbox = sandbox
        runs = [start_run(config), start_run(config)]
        while all(run.process.poll() is None for run in runs):
            time.sleep(0.02)
        self.refused_at = time.time()
        self.refused, self.working = sorted(runs, key=lambda run: run.process.poll() is None)
        self.refused.wait()
        self.working.wait()

    @property
    def lock_attempts(self):
        """The calls that took the lock, or tried to."""
        calls = [call for call in self.sandbox.record() if call["action"] == "CreateRule"]
        return [call for call in calls if call["parameters"]["Priority"] == "50000"]


@pytest.fixture(scope="module")
def rivals(start_module_sandbox, start_module_run, module_directory):
    sandbox = start_module_sandbox()
    config = edited_config(sandbox, module_directory, only("users"), quick)
    return Rivals(sandbox, config, start_module_run)


def test_one_works(rivals):
    assert (rivals.working.process.returncode, rivals.working.outcome["status"]) == (
        0,
        "completed",
    ), rivals.working.log


def test_the_other_is_refused(rivals):
    assert (rivals.refused.process.returncode, rivals.refused.outcome["status"]) == (
        2,
        "refused",
    ), rivals.refused.log


def test_the_refusal_names_the_run_that_works(rivals):
    error = rivals.refused.outcome["error"]
    assert "another run holds the listener: split forum " in error
    assert f"(process {rivals.working.process.pid}), started " in error


def test_it_is_refused_within_five_seconds(rivals):
    (attempt,) = [call for call in rivals.lock_attempts if call["error_code"]]
    assert rivals.refused_at - attempt["time"] < 5, json.dumps(attempt)


def test_only_one_service_and_one_revision_are_made(rivals):
    assert sorted(aws_state.read_services(rivals.sandbox)) == ["monolith", "users"]
    assert len(aws_state.task_definitions(rivals.sandbox, "users")) == 1
