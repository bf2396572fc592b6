"""A split that is killed, at any point and again and again, is finished by running it again."""

import signal

import pytest

from tests.e2e import aws_state
from tests.e2e.configs import edited_config, hasten_drain, only, quick

# At each a run is killed: a call, and which one of its name that is in the run.
CHAIN = [
    "RegisterScalableTarget:1",
    "RegisterTaskDefinition:1",
    "CreateService:1",
    "ModifyRule:1",
    "ModifyListener:1",
    "UpdateService:1",
]
SINGLE = ["CreateRule:1", "CreateRule:3", "RegisterScalableTarget:2"]
PATHS = ["/", "/api/users", "/api/users/1", "/api/users/999"]


class Killed:
    """
    A run that is killed while it waits for the answer to the call of a point.

    `code` is its exit code, `calls` are the changes that AWS has carried out for it.
    """

    def __init__(self, sandbox, config, start_run, point):
        before = len(sandbox.record())
        sandbox.faults(f"hold={point}")
        run = start_run(config)
        run.wait_while_running(sandbox.is_holding, 120)
        self.code = run.kill()
        self.calls = sandbox.changes(before)
        sandbox.faults("")


class Story:
    """Runs of one split: each of `points` kills one, and the last goes to its end."""

    def __init__(self, sandbox, config, start_run, start_client, points):
        hasten_drain(sandbox)
        client = start_client(sandbox, *PATHS)
        self.killed = {point: Killed(sandbox, config, start_run, point) for point in points}
        self.last = start_run(config)
        self.last.wait()
        self.state = aws_state.end_state(sandbox, "users")
        self.traffic = client.end()
        sandbox.end()


@pytest.fixture(scope="module")
def start_story(start_module_sandbox, start_module_run, start_module_client, tmp_path_factory):
    def start(*points):
        sandbox = start_module_sandbox()
        config = edited_config(sandbox, tmp_path_factory.mktemp("story"), only("users"), quick)
        return Story(sandbox, config, start_module_run, start_module_client, points)

    return start


@pytest.fixture(scope="module")
def wanted(start_story):
    """The state that a run leaves which nothing interrupts."""
    uninterrupted = start_story()
    assert uninterrupted.last.ended == (0, "completed"), uninterrupted.last.log
    return uninterrupted.state


@pytest.fixture(scope="module")
def chain(start_story):
    return start_story(*CHAIN)


@pytest.fixture(scope="module", params=SINGLE)
def single(request, start_story):
    return start_story(request.param)


def assert_killed_at(story, point):
    killed = story.killed[point]
    action, _, nth = point.partition(":")
    assert killed.code == -signal.SIGKILL
    assert killed.calls.count(action) == int(nth), killed.calls


@pytest.mark.parametrize("point", CHAIN)
def test_each_run_of_the_chain_was_killed_at_its_point(chain, point):
    assert_killed_at(chain, point)


def test_a_split_that_was_killed_again_and_again_is_finished_by_the_next_run(chain):
    assert chain.last.ended == (0, "completed"), chain.last.log


def test_a_chain_of_kills_leaves_the_state_of_an_uninterrupted_run(chain, wanted):
    assert aws_state.differences(chain.state, wanted) == []


def test_no_user_of_a_split_that_is_killed_again_and_again_sees_a_failure(chain):
    assert chain.traffic["failed"] == 0


def test_the_only_kill_was_at_its_point(single):
    (point,) = single.killed
    assert_killed_at(single, point)


def test_a_split_that_was_killed_once_is_finished_by_the_next_run(single):
    assert single.last.ended == (0, "completed"), single.last.log


def test_one_kill_leaves_the_state_of_an_uninterrupted_run(single, wanted):
    assert aws_state.differences(single.state, wanted) == []


def test_no_user_of_a_split_that_is_killed_once_sees_a_failure(single):
    assert single.traffic["failed"] == 0
