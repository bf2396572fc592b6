"""A run that gets a signal in the middle of a shift first rolls its traffic back."""

import re
import signal

import pytest

from tests.e2e import aws_state
from tests.e2e.configs import edited_config, only, quick
from tests.e2e.runs import RehearsedAws, still_running

PATHS = {"users": "/api/users/1", "posts": "/api/posts/in-thread/1"}


def users_bake_long(config):
    """An edit: the other service has long settled when users is still at half of its traffic."""
    steps = [{"weight": 50, "bake": 120}, {"weight": 100, "bake": 0}]
    users = next(service for service in config["services"] if service["name"] == "users")
    users["traffic"] = {
        "shift": {"strategy": "steps", "list": steps},
        "gates": config["traffic"]["gates"],
    }


class Interrupted:
    """A run that gets a signal while users has half of its traffic, and posts has all."""

    def __init__(self, sandbox, config, number, start_run, start_client):
        client = start_client(sandbox, *PATHS.values())
        has_settled = aws_state.weight(sandbox, "posts") == 100
        self.run = start_run(config)
        if not has_settled:
            self.run.wait_while_running(lambda: re.search(r"\bposts\W+settled", self.run.log))
        self.run.wait_while_running(lambda: _weights(sandbox) == {"users": 50, "posts": 100})
        self.started = self.run.descendants()
        self.run.signal(number)
        self.run.wait(60)
        self.weights = _weights(sandbox)
        self.private_rules = aws_state.private_rules(sandbox)
        self.counts = aws_state.desired_counts(sandbox)
        self.traffic = client.end()


def _weights(sandbox):
    return {name: aws_state.weight(sandbox, name) for name in PATHS}


@pytest.fixture(scope="module")
def shared_sandbox(start_module_sandbox):
    return start_module_sandbox()


@pytest.fixture(scope="module", params=[signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def interrupted(request, shared_sandbox, start_module_run, start_module_client, module_directory):
    """The second run goes on where the first one, which got the other signal, ended."""
    edits = (only("users", "posts"), quick, users_bake_long)
    config = edited_config(shared_sandbox, module_directory, *edits)
    return Interrupted(shared_sandbox, config, request.param, start_module_run, start_module_client)


def test_the_run_ends_as_failed(interrupted):
    assert interrupted.run.ended == (1, "failed"), interrupted.run.log


def test_the_message_has_the_next_step(interrupted):
    error = interrupted.run.outcome["error"]
    assert "interrupted" in error
    assert "run the same command again" in error


def test_a_service_in_its_shift_goes_back_to_the_monolith(interrupted):
    assert interrupted.weights["users"] == 0


def test_a_service_that_had_settled_keeps_its_traffic(interrupted):
    assert interrupted.weights["posts"] == 100


def test_lock_and_private_rules_are_gone(interrupted):
    assert interrupted.private_rules == []


def test_the_monolith_is_not_drained(interrupted):
    assert interrupted.counts["monolith"] == 2


def test_no_user_saw_a_failure(interrupted):
    assert interrupted.traffic["requests"] > 100
    assert interrupted.traffic["failed"] == 0


def test_no_process_is_left_running(interrupted):
    assert still_running(interrupted.started) == []


@pytest.fixture(scope="module")
def interrupted_rehearsal(start_module_run, private_prefect):
    """A rehearsal that gets Ctrl-C in its first step; `started` is what ran below it then."""
    run = start_module_run("--engine", "process", "--rate", 25, prefect=private_prefect)
    aws = RehearsedAws(run)
    run.wait_while_running(lambda: aws_state.weight(aws, "users") == 10)
    run.started = run.descendants()
    run.signal(signal.SIGINT)
    run.wait(90)
    return run


def test_an_interrupted_rehearsal_fails_no_request(interrupted_rehearsal):
    outcome = interrupted_rehearsal.outcome
    assert outcome["status"] == "failed", interrupted_rehearsal.log
    assert outcome["traffic"]["failed"] == 0


def test_an_interrupted_rehearsal_leaves_no_process_running(interrupted_rehearsal):
    started = interrupted_rehearsal.started
    assert [command for command in started.values() if "sandbox" in command]
    assert still_running(started) == []


def test_an_interrupted_rehearsal_leaves_no_temporary_file(interrupted_rehearsal):
    assert list(interrupted_rehearsal.temporary.iterdir()) == []
