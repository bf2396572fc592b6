"""Weights that an operator edits during a shift stay as they are, and the service halts."""

import pytest

from tests.e2e import aws_state
from tests.e2e.configs import at_half_weight, edited_config, only, quick

EDITED = {"forum-monolith-tg": 70, "users-tg": 30}
BAKE = 3


def edit_weights(sandbox):
    """What an operator does in the console."""
    elb = sandbox.boto("elbv2")
    (rule,) = aws_state.path_rules(sandbox)
    arns = aws_state.target_group_arns(sandbox)
    groups = [{"TargetGroupArn": arns[name], "Weight": weight} for name, weight in EDITED.items()]
    elb.modify_rule(
        RuleArn=rule["RuleArn"],
        Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
    )


@pytest.fixture(scope="module")
def halted(start_module_sandbox, start_module_run, start_module_client, module_directory):
    """A split of users whose weights are edited in its first step."""
    sandbox = start_module_sandbox()
    client = start_module_client(sandbox, "/api/users/1")
    config = edited_config(sandbox, module_directory, only("users"), quick, at_half_weight(BAKE))
    run = start_module_run(config)
    run.wait_for_log("weight 50")
    edit_weights(sandbox)
    run.wait()
    run.sandbox = sandbox
    run.traffic = client.end()
    return run


def test_the_run_fails(halted):
    assert halted.ended == (1, "failed"), halted.log


def test_traffic_stays_as_it_was_edited(halted):
    assert aws_state.weights(halted.sandbox)["users"] == EDITED


def test_the_message_has_both_weights_and_the_remedy(halted):
    error = halted.outcome["error"]
    assert "30" in error
    assert "0 or 50" in error
    assert "split:weights=30:30" in error


def test_the_monolith_is_not_drained(halted):
    assert aws_state.desired_counts(halted.sandbox)["monolith"] == 2


def test_no_user_saw_a_failure(halted):
    assert halted.traffic["failed"] == 0


def test_lock_and_private_rules_are_gone(halted):
    assert aws_state.private_rules(halted.sandbox) == []
