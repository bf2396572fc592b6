"""Two runs on one listener: the second is refused, and the first completes."""

import pytest

from tests.e2e import aws_state
from tests.e2e.configs import edited_config, only, quick
from tests.e2e.runs import wait_until


class Rivals:
    """Two runs of one config that are started together."""

    def __init__(self, sandbox, config, start_run):
        self.sandbox = sandbox
        runs = [start_run(config), start_run(config)]
        wait_until(lambda: not all(run.is_running for run in runs), 120)
        self.refused, self.working = sorted(runs, key=lambda run: run.is_running)
        self.refused.wait()
        self.working.wait()

    @property
    def lock_attempts(self):
        """What AWS answered to the calls for the lock: an error code, or None."""
        return [
            call["error_code"]
            for call in self.sandbox.record()
            if call["action"] == "CreateRule" and call["parameters"]["Priority"] == "50000"
        ]


@pytest.fixture(scope="module")
def rivals(start_module_sandbox, start_module_run, module_directory):
    sandbox = start_module_sandbox()
    config = edited_config(sandbox, module_directory, only("users"), quick)
    return Rivals(sandbox, config, start_module_run)


def test_one_run_completes(rivals):
    assert rivals.working.ended == (0, "completed"), rivals.working.log


def test_the_other_run_is_refused_while_the_first_is_at_work(rivals):
    # `refused` is the run that ended first.
    assert rivals.refused.ended == (2, "refused"), rivals.refused.log


def test_the_refusal_names_the_run_that_has_the_lock(rivals):
    error = rivals.refused.outcome["error"]
    assert "split forum " in error
    assert f"(process {rivals.working.process.pid})" in error


def test_it_is_refused_at_its_first_call_for_the_lock(rivals):
    assert rivals.lock_attempts == [None, "PriorityInUse"]


def test_only_one_service_and_one_revision_are_made(rivals):
    assert sorted(aws_state.read_services(rivals.sandbox)) == ["monolith", "users"]
    assert len(aws_state.task_definitions(rivals.sandbox, "users")) == 1
