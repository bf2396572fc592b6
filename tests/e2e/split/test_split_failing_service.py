"""
A service that does not come up fails alone: the others settle, and the monolith keeps its paths and
its tasks.
"""

import pytest

from tests.e2e import aws_state
from tests.e2e.runs import edited_config, quick

PATHS = {"users": "/api/users/1", "posts": "/api/posts/in-thread/1", "threads": "/api/threads/2"}


def impatient(config):
    config["stable_timeout"] = 20


class Failing:
    """A split in which one service does not come up."""

    def __init__(self, service, fault, details, starters, directory):
        start_sandbox, start_run, start_client = starters
        self.service, self.details = service, details
        self.sandbox = start_sandbox("--faults", fault)
        client = start_client(self.sandbox, *PATHS.values())
        self.run = start_run(edited_config(self.sandbox, directory, quick, impatient))
        self.run.wait()
        self.traffic = client.end()

    @property
    def others(self):
        return [name for name in PATHS if name != self.service]


@pytest.fixture(
    scope="module",
    params=[
        ("posts", "crash=posts", ["exit code 1", "    | sandbox: ended with exit code 1"]),
        ("threads", "unhealthy=threads-tg", ["not healthy after 20 s", "1 unhealthy (Target."]),
    ],
    ids=["container crashes", "health check never passes"],
)
def failing(request, start_module_sandbox, start_module_run, start_module_client, tmp_path_factory):
    starters = (start_module_sandbox, start_module_run, start_module_client)
    return Failing(*request.param, starters, tmp_path_factory.mktemp("failing"))


def test_the_run_fails(failing):
    assert (failing.run.process.returncode, failing.run.outcome["status"]) == (1, "failed"), (
        failing.run.log
    )


def test_the_message_names_the_service(failing):
    assert f"1 of 3 services failed ({failing.service})" in failing.run.outcome["error"]


def test_the_message_shows_why_down_to_the_containers_last_lines(failing):
    assert [text for text in failing.details if text not in failing.run.outcome["error"]] == []


def test_the_others_settle(failing):
    stages = {name: failing.run.outcome["services"][name]["stage"] for name in failing.others}
    assert stages == dict.fromkeys(failing.others, "settled")


def test_the_others_answer_their_paths(failing):
    answered = {name: failing.sandbox.get(PATHS[name])[1]["X-Served-By"] for name in failing.others}
    assert answered == {name: name for name in failing.others}


def test_the_monolith_answers_the_failed_services_path(failing):
    assert failing.sandbox.get(PATHS[failing.service])[1]["X-Served-By"] == "monolith"


def test_the_failed_service_has_no_weight(failing):
    assert failing.run.outcome["services"][failing.service]["weight"] == 0


def test_the_monolith_is_not_drained(failing):
    assert aws_state.read_services(failing.sandbox)["monolith"]["runningCount"] == 2


def test_no_user_saw_a_failure(failing):
    assert failing.traffic["failed"] == 0


def test_no_rule_of_the_runs_own_is_left(failing):
    assert aws_state.private_rules(failing.sandbox) == []
