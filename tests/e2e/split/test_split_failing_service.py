"""
Services that do not come up fail alone: the others settle, and the monolith keeps its paths and its
tasks.
"""

import pytest

from tests.e2e import aws_state
from tests.e2e.configs import edited_config, quick

PATHS = {"users": "/api/users/1", "posts": "/api/posts/in-thread/1", "threads": "/api/threads/2"}
FAULTS = "crash=posts,unhealthy=threads-tg"
# What the message has to contain about each service that fails.
DETAILS = {
    "posts": ["exit code 1", "    | sandbox: ended with exit code 1"],
    "threads": ["not healthy after 20 s", "1 unhealthy (Target."],
}
FAILING = list(DETAILS)


def impatient(config):
    config["stable_timeout"] = 20


@pytest.fixture(scope="module")
def run(start_module_sandbox, start_module_run, start_module_client, module_directory):
    """A split in which the container of one service crashes, and another fails its checks."""
    sandbox = start_module_sandbox("--faults", FAULTS)
    client = start_module_client(sandbox, *PATHS.values())
    run = start_module_run(edited_config(sandbox, module_directory, quick, impatient))
    run.wait()
    run.traffic = client.end()
    run.sandbox = sandbox
    return run


def test_the_run_fails(run):
    assert run.ended == (1, "failed"), run.log


def test_the_message_names_the_services(run):
    assert "2 of 3 services failed (posts, threads)" in run.outcome["error"]


@pytest.mark.parametrize("service", FAILING)
def test_the_message_shows_the_cause_down_to_the_containers_last_lines(run, service):
    missing = [text for text in DETAILS[service] if text not in run.outcome["error"]]
    assert missing == []


def test_the_other_service_settles(run):
    assert run.outcome["services"]["users"]["stage"] == "settled"


def test_the_other_service_answers_its_path(run):
    assert run.sandbox.get(PATHS["users"])[1]["X-Served-By"] == "users"


@pytest.mark.parametrize("service", FAILING)
def test_the_monolith_answers_a_failed_services_path(run, service):
    assert run.sandbox.get(PATHS[service])[1]["X-Served-By"] == "monolith"


@pytest.mark.parametrize("service", FAILING)
def test_a_failed_service_has_no_weight(run, service):
    failed = run.outcome["services"][service]
    assert (failed["stage"], failed["weight"]) == ("failed", 0)


def test_the_monolith_is_not_drained(run):
    assert aws_state.read_services(run.sandbox)["monolith"]["runningCount"] == 2


def test_no_user_saw_a_failure(run):
    assert run.traffic["failed"] == 0


def test_no_private_rule_is_left(run):
    assert aws_state.private_rules(run.sandbox) == []
