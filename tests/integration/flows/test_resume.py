"""
Every step of a split may be repeated: after a lost answer it finds what it made, and then changes
nothing.
"""

from pathlib import Path

import botocore.exceptions
import pytest

from config.load import load_config
from tasks.aws.tags import Owner
from tasks.cloudwatch.log_group import desired_log_group, ensure_log_group
from tasks.discovery import discover
from tasks.ecr.repository import desired_repository, ensure_repository
from tasks.ecs.service import desired_service, ensure_service
from tasks.ecs.task_definition import (
    desired_task_definition,
    ensure_task_definition,
    read_task_definition,
)
from tasks.elbv2.rule import desired_path_rules, ensure_rule
from tasks.elbv2.target_group import desired_target_group, ensure_target_group
from tasks.elbv2.weights import shift_weight
from tasks.iam.task_role import desired_task_role, ensure_task_role

# The actions whose answers get lost, by step; those before the last one leave a resource that is
# not finished.
LOST = {
    "repository": ["CreateRepository"],
    "log group": ["CreateLogGroup", "PutRetentionPolicy"],
    "task role": ["CreateRole", "PutRolePolicy"],
    "task definition": ["RegisterTaskDefinition"],
    "target group": ["CreateTargetGroup", "ModifyTargetGroupAttributes"],
    "path rule": ["CreateRule"],
    "ECS service": ["CreateService"],
    "weight": ["AddTags", "ModifyRule"],
}


class Steps:
    """The steps of one service, in order; each returns what AWS calls the resource."""

    def __init__(self, config):
        # A policy of its own, so that the role has two things to make.
        statement = {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::forum/*"]}
        users = config.service("users").model_dump() | {"task_role_policy": [statement]}
        self.config, self.aws = config, config.aws
        self.service = type(config.service("users")).model_validate(users)
        self.owner, self.discovered, self.made = (
            Owner(config.name, "users"),
            discover.plain(config),
            {},
        )
        # Any image that can be pulled will do.
        monolith = read_task_definition(self.aws, self.discovered.monolith.task_definition)
        self.image = monolith["containerDefinitions"][0]["image"]

    def take(self, name):
        self.made[name] = getattr(self, name.replace(" ", "_").lower())()
        return self.made[name]

    def repository(self):
        return ensure_repository.plain(self.aws, desired_repository(self.service, self.owner))

    def log_group(self):
        return ensure_log_group.plain(self.aws, desired_log_group(self.service, self.owner))

    def task_role(self):
        return ensure_task_role.plain(self.aws, desired_task_role(self.service, self.owner))

    def task_definition(self):
        desired = desired_task_definition(
            self.service,
            self.owner,
            region=self.aws.region,
            image=self.image,
            execution_role_arn=self.discovered.execution_role_arn,
            task_role_arn=self.made["task role"],
        )
        return ensure_task_definition.plain(self.aws, desired)

    def target_group(self):
        return ensure_target_group.plain(
            self.aws, desired_target_group(self.service, self.owner, self.discovered.vpc_id)
        )

    def path_rule(self):
        (rule,) = desired_path_rules(self.service.path_patterns, self.owner)
        monolith = self.discovered.monolith.target_group_arn
        dark = {monolith: 100, self.made["target group"]: 0}
        return ensure_rule.plain(self.aws, self.discovered.listener_arn, rule, dark, monolith)

    def ecs_service(self):
        desired = desired_service(
            self.service,
            self.owner,
            self.discovered,
            task_definition=self.made["task definition"],
            target_group=self.made["target group"],
        )
        return ensure_service.plain(self.aws, desired)

    def weight(self):
        groups = self.discovered.monolith.target_group_arn, self.made["target group"]
        shift_weight.plain(self.aws, self.made["path rule"], *groups, 50)
        return "weight"


class Taken:
    """
    One step: how often its answer was lost, what it made, and what a repetition of it changed.
    """

    def __init__(self, sandbox, steps, name):
        before = len(sandbox.record())
        self.lost = 0
        for action in LOST[name]:
            sandbox.faults(f"lost={action}:1")
            try:
                steps.take(name)
            except botocore.exceptions.ConnectionClosedError:
                self.lost += 1
        sandbox.faults("")
        self.made = steps.take(name)
        self.calls = [call for call in sandbox.record()[before:] if call["mutating"]]
        before = len(sandbox.record())
        self.made_again = steps.take(name)
        self.changes = [call["action"] for call in sandbox.record()[before:] if call["mutating"]]


@pytest.fixture(scope="module")
def taken(start_module_sandbox):
    sandbox = start_module_sandbox()
    steps = Steps(load_config(Path(sandbox.state["config"])))
    return {name: Taken(sandbox, steps, name) for name in LOST}


@pytest.mark.parametrize("name", LOST)
def test_every_answer_was_lost_once(taken, name):
    assert taken[name].lost == len(LOST[name])


@pytest.mark.parametrize("name", [name for name in LOST if name != "weight"])
def test_a_create_whose_answer_was_lost_is_not_repeated(taken, name):
    assert [call["action"] for call in taken[name].calls].count(LOST[name][0]) == 1


@pytest.mark.parametrize("name", LOST)
def test_a_repeated_step_changes_nothing(taken, name):
    assert (taken[name].changes, taken[name].made_again) == ([], taken[name].made)


@pytest.mark.parametrize("name", LOST)
def test_aws_refuses_no_call(taken, name):
    assert [call for call in taken[name].calls if call["error_code"]] == []
