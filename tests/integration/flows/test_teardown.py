"""
What a teardown finds and deletes, against the served AWS: only what carries the split's tags, and
was made by it.
"""

import json
from pathlib import Path

import pytest

from config.load import load_config
from config.service import PolicyStatement, ServiceConfig
from flows.plan.teardown import foreign_rules, removal_rows
from tasks.aws.tags import Owner
from tasks.cloudwatch.log_group import delete_log_group, desired_log_group, ensure_log_group
from tasks.discovery import discover
from tasks.ecr.repository import delete_repository, desired_repository, ensure_repository
from tasks.ecs.revisions import delete_revisions
from tasks.ecs.task_definition import desired_task_definition, ensure_task_definition
from tasks.elbv2.default_action import read_balancer_rules
from tasks.elbv2.rule import delete_rule, desired_path_rules, ensure_rule, read_rules
from tasks.elbv2.target_group import delete_target_group, desired_target_group, ensure_target_group
from tasks.iam.task_role import delete_task_role, desired_task_role, ensure_task_role
from tasks.state.owned import former_service, read_former_services, read_owned

SERVICE = ServiceConfig(
    name="billing",
    path_patterns=("/billing*",),
    image="none",
    task_role_policy=(PolicyStatement(actions=("s3:GetObject",), resources=("*",)),),
)
OWNER = Owner(split="forum", service="billing")
KINDS = [
    "listener rule",
    "task definition",
    "log group",
    "IAM role",
    "ECR repository",
    "target group",
]


class Place:
    """Short ways to make, find and delete what a split makes for a service."""

    def __init__(self, sandbox):
        self.config = load_config(Path(sandbox.state["config"]))
        self.aws, self.sandbox = self.config.aws, sandbox
        self.discovered = discover.plain(self.config)

    def make(self, owner):
        """Everything but the ECS service."""
        role = ensure_task_role.plain(self.aws, desired_task_role(SERVICE, owner))
        ensure_log_group.plain(self.aws, desired_log_group(SERVICE, owner))
        ensure_repository.plain(self.aws, desired_repository(SERVICE, owner))
        definition = desired_task_definition(
            SERVICE,
            owner,
            region=self.aws.region,
            image="none",
            execution_role_arn=self.discovered.execution_role_arn,
            task_role_arn=role,
        )
        ensure_task_definition.plain(self.aws, definition)
        self.group = ensure_target_group.plain(
            self.aws, desired_target_group(SERVICE, owner, self.discovered.vpc_id)
        )
        monolith = self.discovered.monolith.target_group_arn
        (rule,) = desired_path_rules(SERVICE.path_patterns, owner)
        ensure_rule.plain(
            self.aws, self.discovered.listener_arn, rule, {monolith: 100, self.group: 0}, monolith
        )

    @property
    def rules(self):
        return read_rules(self.aws, self.discovered.listener_arn)

    def owned(self, owner=OWNER):
        return read_owned.plain(self.aws, self.discovered.cluster_arn, self.rules, SERVICE, owner)

    def delete(self, owner=OWNER):
        for rule in self.owned(owner).path_rules:
            delete_rule.plain(self.aws, rule.arn)
        delete_revisions.plain(self.aws, SERVICE.family, owner)
        delete_log_group.plain(self.aws, SERVICE.log_group, owner)
        delete_task_role.plain(self.aws, SERVICE.task_role, owner)
        delete_repository.plain(self.aws, SERVICE.name, owner)
        delete_target_group.plain(self.aws, SERVICE.target_group, owner)


@pytest.fixture
def place(sandbox):
    """The shared sandbox, with what a split has made for a service; left as it was."""
    place = Place(sandbox)
    place.make(OWNER)
    yield place
    place.delete()
    assert place.owned().resources == []


def test_everything_that_was_made_is_found_in_the_order_of_its_deletion(place):
    assert [kind for kind, _ in place.owned().resources] == KINDS


def test_a_plan_says_what_goes_with_a_resource(place):
    details = {row["resource"]: row["details"] for row in removal_rows(place.owned())}
    assert (details["log group"], details["ECR repository"]) == (
        "with everything in it",
        "with its images",
    )


def test_another_split_s_teardown_finds_nothing(place):
    assert place.owned(Owner(split="shop", service="billing")).resources == []


def test_another_split_s_teardown_deletes_nothing(place):
    place.delete(Owner(split="shop", service="billing"))
    assert [kind for kind, _ in place.owned().resources] == KINDS


def test_a_deleted_thing_can_be_deleted_again(place):
    place.delete()
    place.delete()
    assert place.owned().resources == []


def test_policies_that_somebody_gave_the_role_go_with_it(place):
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    place.sandbox.boto("iam").put_role_policy(
        RoleName=SERVICE.task_role, PolicyName="somebody-s", PolicyDocument=document
    )
    delete_task_role.plain(place.aws, SERVICE.task_role, OWNER)
    assert place.owned().task_role is None


def test_a_revision_that_was_only_deregistered_is_found(place):
    (revision,) = place.owned().revisions
    place.sandbox.boto("ecs").deregister_task_definition(taskDefinition=revision)
    assert place.owned().revisions == (revision,)


def test_somebody_else_s_rule_for_the_target_group_is_named(place):
    elb = place.sandbox.boto("elbv2")
    made = elb.create_rule(
        ListenerArn=place.discovered.listener_arn,
        Priority=7,
        Conditions=[{"Field": "path-pattern", "Values": ["/other"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": place.group}],
    )
    try:
        everywhere = read_balancer_rules(place.aws, [place.discovered.load_balancer_arn])
        (finding,) = foreign_rules([place.owned()], everywhere)
        assert finding.startswith("rule 7 (/other) on port ")
    finally:
        elb.delete_rule(RuleArn=made["Rules"][0]["RuleArn"])


def test_a_service_that_the_config_has_no_more_is_found(place):
    known = [service.name for service in place.config.services]
    assert read_former_services.plain(place.aws, "forum", place.rules, known) == ["billing"]


def test_a_former_service_has_the_same_names(place):
    former = former_service("billing")
    found = read_owned.plain(place.aws, place.discovered.cluster_arn, place.rules, former, OWNER)
    assert found.resources == place.owned().resources


def test_what_was_adopted_is_not_found(sandbox):
    logs, place, adopted = sandbox.boto("logs"), Place(sandbox), former_service("archive")
    owner = Owner(split="forum", service="archive", adopt=True)
    logs.create_log_group(logGroupName=adopted.log_group)
    try:
        ensure_log_group.plain(place.aws, desired_log_group(adopted, owner))
        found = read_owned.plain(
            place.aws, place.discovered.cluster_arn, place.rules, adopted, owner
        )
        assert found.resources == []
    finally:
        logs.delete_log_group(logGroupName=adopted.log_group)
