"""Weights that somebody else edits during a shift are left as they are, and the service halts."""

import pytest

from tests.e2e import aws_state
from tests.e2e.runs import edited_config, only, quick

EDITED = {"forum-monolith-tg": 70, "users-tg": 30}


def in_two_steps(config):
    steps = [{"weight": 50, "bake": 3}, {"weight": 100, "bake": 0}]
    config["traffic"]["shift"] = {"strategy": "steps", "list": steps}


def edit_weights(sandbox):
    """What an operator does in the console."""
    elb = sandbox.boto("elbv2")
    (rule,) = [
        rule
        for rule in aws_state.listener_rules(sandbox)
        if rule["Tags"].get("split:role") == "path"
    ]
    names = {
        group["TargetGroupName"]: group["TargetGroupArn"]
        for group in elb.describe_target_groups()["TargetGroups"]
    }
    groups = [{"TargetGroupArn": names[name], "Weight": weight} for name, weight in EDITED.items()]
    elb.modify_rule(
        RuleArn=rule["RuleArn"],
        Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
    )


@pytest.fixture(scope="module")
def halted(start_module_sandbox, start_module_run, start_module_client, module_directory):
    """A split of users whose weights somebody edits in its first step."""
    sandbox = start_module_sandbox()
    client = start_module_client(sandbox, "/api/users/1")
    run = start_module_run(
        edited_config(sandbox, module_directory, only("users"), quick, in_two_steps)
    )
    run.wait_for("users     weight 50 %")
    edit_weights(sandbox)
    run.wait()
    run.sandbox, run.traffic = sandbox, client.end()
    return run


def test_the_run_fails(halted):
    assert (halted.process.returncode, halted.outcome["status"]) == (1, "failed"), halted.log


def test_traffic_stays_as_it_was_edited(halted):
    assert aws_state.weights(halted.sandbox)["users"] == EDITED


def test_the_message_says_who_changed_what_and_what_to_do(halted):
    error = halted.outcome["error"]
    assert (
        "gives the service 30%, but this tool last wrote 0 or 50: somebody else changed it" in error
    )
    assert (
        "set the weights back, or tag the rule split:weights=30:30 to accept them, then run again"
        in error
    )


def test_the_monolith_is_not_drained(halted):
    assert aws_state.desired_counts(halted.sandbox)["monolith"] == 2


def test_no_user_saw_a_failure(halted):
    assert halted.traffic["failed"] == 0


def test_lock_and_private_rules_are_gone(halted):
    assert aws_state.private_rules(halted.sandbox) == []
