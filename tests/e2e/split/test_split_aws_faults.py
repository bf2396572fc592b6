"""
A split completes on an AWS that throttles, fails, and loses answers to calls that it carried out.
"""

import pytest

from tests.e2e import aws_state
from tests.e2e.configs import edited_config, quick

SERVICES = aws_state.SERVICES
LOST = (
    "lost=RegisterTaskDefinition:1,lost=CreateTargetGroup:1,lost=CreateRule:2,lost=CreateService:1"
)
PATHS = ["/api/users/1", "/api/posts/in-thread/1", "/api/threads/2", "/"]


@pytest.fixture(scope="module")
def run(start_module_sandbox, start_module_run, start_module_client, module_directory):
    sandbox = start_module_sandbox("--faults", f"throttle=0.1,error=0.05,{LOST}")
    client = start_module_client(sandbox, *PATHS)
    run = start_module_run(edited_config(sandbox, module_directory, quick))
    run.wait()
    run.traffic = client.end()
    run.sandbox = sandbox
    sandbox.faults("")
    return run


def test_the_split_completes(run):
    assert run.ended == (0, "completed"), run.log


def test_calls_were_throttled_and_failed(run):
    codes = {call["error_code"] for call in run.sandbox.record()}
    assert {"ThrottlingException", "Throttling", "InternalFailure"} <= codes


def test_the_log_shows_why_calls_are_repeated(run):
    assert "Throttling" in run.log
    assert "ConnectionClosedError" in run.log


def test_no_user_saw_a_failure(run):
    assert run.traffic["failed"] == 0


@pytest.mark.parametrize("service", SERVICES)
def test_there_is_one_revision_of_each_task_definition(run, service):
    assert len(aws_state.task_definitions(run.sandbox, service)) == 1


def test_there_is_one_rule_for_each_path(run):
    made = [rule["Tags"].get("split:service") for rule in aws_state.listener_rules(run.sandbox)]
    assert sorted(name for name in made if name) == sorted(SERVICES)


def test_there_is_one_service_of_each(run):
    wanted = {"monolith": 0, **dict.fromkeys(SERVICES, 1)}
    assert aws_state.desired_counts(run.sandbox) == wanted


def test_no_private_rule_is_left(run):
    assert aws_state.private_rules(run.sandbox) == []
