"""A run that is told to end in the middle of a shift brings its traffic back first."""

import signal

import pytest

from tests.e2e import aws_state
from tests.e2e.runs import edited_config, only, quick
from tests.processes import is_alive

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
    """A split of users and posts that gets a signal while users has half of its traffic."""

    def __init__(self, number, starters, directory):
        start_sandbox, start_run, start_client = starters
        self.sandbox = start_sandbox()
        client = start_client(self.sandbox, *PATHS.values())
        self.run = start_run(
            edited_config(self.sandbox, directory, only("users", "posts"), quick, users_bake_long)
        )
        self.run.wait_for("users     weight 50 %")
        self.run.wait_for("posts     settled")
        self.weights_before = aws_state.weights(self.sandbox)
        self.started = self.run.descendants()
        self.run.signal(number)
        self.run.wait(60)
        self.traffic = client.end()


@pytest.fixture(scope="module", params=[signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def interrupted(
    request, start_module_sandbox, start_module_run, start_module_client, tmp_path_factory
):
    starters = (start_module_sandbox, start_module_run, start_module_client)
    return Interrupted(request.param, starters, tmp_path_factory.mktemp("interrupted"))


def test_the_run_ends_as_failed(interrupted):
    assert (interrupted.run.process.returncode, interrupted.run.outcome["status"]) == (
        1,
        "failed",
    ), interrupted.run.log


def test_the_message_says_what_to_do_next(interrupted):
    assert interrupted.run.outcome["error"] == "interrupted; run the same command again to go on"


def test_the_service_was_at_half_of_its_traffic(interrupted):
    assert interrupted.weights_before["users"] == {"forum-monolith-tg": 50, "users-tg": 50}


def test_what_was_in_the_shift_is_the_monoliths_again(interrupted):
    assert aws_state.weights(interrupted.sandbox)["users"] == {
        "forum-monolith-tg": 100,
        "users-tg": 0,
    }


def test_what_had_settled_stays_where_it_is(interrupted):
    assert aws_state.weights(interrupted.sandbox)["posts"] == {
        "forum-monolith-tg": 0,
        "posts-tg": 100,
    }


def test_lock_and_private_rules_are_gone(interrupted):
    assert aws_state.private_rules(interrupted.sandbox) == []


def test_the_monolith_is_not_drained(interrupted):
    assert aws_state.desired_counts(interrupted.sandbox)["monolith"] == 2


def test_no_user_saw_a_failure(interrupted):
    assert (interrupted.traffic["failed"], interrupted.traffic["requests"] > 100) == (0, True)


def test_nothing_is_left_running(interrupted):
    assert [
        command for identity, command in interrupted.started.items() if is_alive(identity)
    ] == []


@pytest.fixture(scope="module")
def interrupted_rehearsal(start_module_run, private_prefect):
    """A rehearsal that gets Ctrl-C in its first step; `started` is what ran below it then."""
    run = start_module_run("--engine", "process", prefect=private_prefect)
    run.wait_for("weight 10 %")
    run.started = run.descendants()
    run.signal(signal.SIGINT)
    run.wait(90)
    return run


def test_an_interrupted_rehearsal_fails_no_request(interrupted_rehearsal):
    outcome = interrupted_rehearsal.outcome
    assert (outcome["status"], outcome["traffic"]["failed"]) == ("failed", 0), (
        interrupted_rehearsal.log
    )


def test_an_interrupted_rehearsal_leaves_nothing_running(interrupted_rehearsal):
    started = interrupted_rehearsal.started
    assert [command for command in started.values() if "sandbox" in command]
    assert [command for identity, command in started.items() if is_alive(identity)] == []


def test_an_interrupted_rehearsal_leaves_no_temporary_file(interrupted_rehearsal):
    assert list(interrupted_rehearsal.temporary.iterdir()) == []
