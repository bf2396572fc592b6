"""
Desired and compare of every resource of a service: what all have in common, then what is special
to each.
"""

import copy
from dataclasses import dataclass
from typing import Any

import pytest

from config.service import PolicyStatement, ServiceConfig
from tasks.aws.change import UNKNOWN, Conflict, Create, NoChange, Update
from tasks.aws.tags import CONFIG, MANAGED_BY, TOOL, Owner
from tasks.cloudwatch.log_group import compare_log_group, desired_log_group
from tasks.discovery import Discovered, Monolith
from tasks.ecr.repository import ObservedRepository, compare_repository, desired_repository
from tasks.ecs.service import compare_service, desired_service
from tasks.ecs.task_definition import compare_task_definition, desired_task_definition
from tasks.elbv2.target_group import compare_target_group, desired_target_group
from tasks.iam.task_role import compare_task_role, desired_task_role

USERS = ServiceConfig(
    name="users",
    path_patterns=("/api/users*",),
    image="users:1",
    environment={"B": "2", "A": "1"},
    secrets={"DB": "arn:aws:ssm:eu-central-1:123456789012:parameter/db"},
    task_role_policy=(
        PolicyStatement(actions=("s3:GetObject",), resources=("arn:aws:s3:::pictures/*",)),
    ),
)
OWNER = Owner(split="forum", service="users")
ADOPTING = Owner(split="forum", service="users", adopt=True)
ANOTHER_SPLIT = {MANAGED_BY: TOOL, CONFIG: "shop"}
REVISION = "arn:aws:ecs:eu-central-1:123456789012:task-definition/users-task-def:1"
DISCOVERED = Discovered(
    account_id="123456789012",
    cluster_arn="arn:aws:ecs:eu-central-1:123456789012:cluster/production",
    monolith=Monolith(
        "forum", "arn:forum", 1, 1, "arn:forum-tg", "forum-tg", "forum", 80, "arn:forum:1", None, {}
    ),
    load_balancer_arn="arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/forum/50dc6c495c0c9188",
    load_balancer_security_groups=("sg-1",),
    listener_arn="arn:listener",
    alb_url="http://127.0.0.1:80",
    vpc_id="vpc-1",
    subnets=("subnet-b", "subnet-a"),
    security_groups=("sg-2", "sg-1"),
    assign_public_ip="DISABLED",
    execution_role_arn="arn:execution",
)


@dataclass(frozen=True)
class Kind:
    """
    How one kind of resource is desired and compared, and AWS's description when it is as desired.
    """

    desired: Any
    compare: Any
    observed: Any
    tags: str
    change: tuple[str, Any]

    def holding(self, **fields: Any) -> Any:
        """AWS's answer with other fields."""
        if isinstance(self.observed, ObservedRepository):
            return ObservedRepository(
                self.observed.arn, self.observed.uri, {**self.observed.fields, **fields}
            )
        return {**copy.deepcopy(self.observed), **fields}


def definition(owner=OWNER, service=USERS, **changes):
    given = {
        "image": "users@sha256:1",
        "execution_role_arn": "arn:execution",
        "task_role_arn": "arn:role",
    }
    return desired_task_definition(service, owner, region="eu-central-1", **(given | changes))


def wanted_service(owner=OWNER, service=USERS, **changes):
    given = {"task_definition": REVISION, "target_group": "arn:users-tg"}
    return desired_service(service, owner, DISCOVERED, **(given | changes))


def described_service(**changes):
    request = wanted_service().request
    return {**request, "serviceArn": "arn:users", "status": "ACTIVE", "tags": OWNER.tags} | changes


KINDS = {
    "target group": Kind(
        desired=lambda owner: desired_target_group(USERS, owner, "vpc-1"),
        compare=compare_target_group,
        observed={
            **desired_target_group(USERS, OWNER, "vpc-1").fields,
            "TargetGroupArn": "arn:users-tg",
        },
        tags="Tags",
        change=("HealthCheckPath", "/old"),
    ),
    "log group": Kind(
        desired=lambda owner: desired_log_group(USERS, owner),
        compare=compare_log_group,
        observed={"retentionInDays": 30, "tags": OWNER.tags, "arn": "arn:log"},
        tags="tags",
        change=("retentionInDays", None),
    ),
    "ECR repository": Kind(
        desired=lambda owner: desired_repository(USERS, owner),
        compare=compare_repository,
        observed=ObservedRepository(
            "arn:repository", "uri", desired_repository(USERS, OWNER).fields
        ),
        tags="tags",
        change=("imageTagMutability", "MUTABLE"),
    ),
    "IAM role": Kind(
        desired=lambda owner: desired_task_role(USERS, owner),
        compare=compare_task_role,
        observed={**desired_task_role(USERS, OWNER).fields, "Arn": "arn:role"},
        tags="Tags",
        change=("PolicyDocument", None),
    ),
    "task definition": Kind(
        desired=definition,
        compare=compare_task_definition,
        observed={**definition().request, "status": "ACTIVE", "tags": OWNER.tags},
        tags="tags",
        change=("memory", "1024"),
    ),
    "ECS service": Kind(
        desired=wanted_service,
        compare=compare_service,
        observed=described_service(),
        tags="tags",
        change=("taskDefinition", "arn:older"),
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@every_kind
def test_a_missing_resource_is_created(kind):
    assert kind.compare(kind.desired(OWNER), None) == Create()


@every_kind
def test_a_resource_as_desired_is_no_change(kind):
    assert kind.compare(kind.desired(OWNER), kind.observed) == NoChange()


@every_kind
def test_a_differing_field_is_an_update_with_before_and_after(kind):
    field, before = kind.change
    change = kind.compare(kind.desired(OWNER), kind.holding(**{field: before}))
    assert isinstance(change, Update)
    assert list(change.fields) == [field]
    assert change.fields[field][0] == before


@pytest.mark.parametrize(
    "tags", [{}, {"team": "blue"}, ANOTHER_SPLIT], ids=["no tags", "foreign tags", "other split"]
)
@every_kind
def test_a_resource_of_others_is_a_conflict(kind, tags):
    change = kind.compare(kind.desired(OWNER), kind.holding(**{kind.tags: tags}))
    assert isinstance(change, Conflict)


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=KINDS)
def test_a_conflict_names_the_kind_of_resource(name, kind):
    change = kind.compare(kind.desired(OWNER), kind.holding(**{kind.tags: {}}))
    assert change.reason.startswith(
        f"{name} {kind.desired(OWNER).owner.service}" if name != "log group" else name
    )


@every_kind
def test_an_adopted_resource_is_no_conflict(kind):
    change = kind.compare(kind.desired(ADOPTING), kind.holding(**{kind.tags: {}}))
    assert not isinstance(change, Conflict)


@every_kind
def test_an_adopted_resource_gets_this_splits_tags(kind):
    change = kind.compare(kind.desired(ADOPTING), kind.holding(**{kind.tags: {}}))
    assert change.fields[kind.tags][1] == OWNER.tags


@every_kind
def test_a_further_tag_is_no_change(kind):
    observed = kind.holding(**{kind.tags: OWNER.tags | {"team": "blue"}})
    assert kind.compare(kind.desired(OWNER), observed) == NoChange()


@every_kind
def test_desired_is_the_same_every_time(kind):
    assert kind.desired(OWNER) == kind.desired(OWNER)


@pytest.mark.parametrize("field", ["Protocol", "Port", "VpcId", "TargetType"])
def test_a_change_that_elbv2_cannot_make_is_a_conflict(field):
    observed = KINDS["target group"].holding(**{field: "other"})
    change = compare_target_group(desired_target_group(USERS, OWNER, "vpc-1"), observed)
    assert isinstance(change, Conflict)
    assert f"target group users-tg: {field} is other and ELBv2 cannot change it" in change.reason


def test_a_target_group_takes_its_health_check_from_the_config():
    service = USERS.model_copy(
        update={"health_check": USERS.health_check.model_copy(update={"matcher": "200-299"})}
    )
    assert desired_target_group(service, OWNER, "vpc-1").fields["Matcher"] == {
        "HttpCode": "200-299"
    }


def test_a_service_without_a_policy_has_none():
    assert (
        desired_task_role(USERS.model_copy(update={"task_role_policy": ()}), OWNER).policy is None
    )


def test_a_policy_that_is_no_longer_wanted_is_an_update():
    desired = desired_task_role(USERS.model_copy(update={"task_role_policy": ()}), OWNER)
    change = compare_task_role(desired, KINDS["IAM role"].observed)
    assert change.fields["PolicyDocument"][1] is None


def test_the_environments_order_does_not_make_a_revision():
    observed = copy.deepcopy(KINDS["task definition"].observed)
    observed["containerDefinitions"][0]["environment"].reverse()
    assert compare_task_definition(definition(), observed) == NoChange()


def test_what_ecs_adds_to_a_container_does_not_make_a_revision():
    observed = copy.deepcopy(KINDS["task definition"].observed)
    container = observed["containerDefinitions"][0]
    container |= {"cpu": 0, "mountPoints": [], "volumesFrom": []}
    container["portMappings"][0]["hostPort"] = 3000
    container["logConfiguration"]["secretOptions"] = []
    assert compare_task_definition(definition(), observed) == NoChange()


def test_another_image_makes_a_revision():
    change = compare_task_definition(
        definition(image="users@sha256:2"), KINDS["task definition"].observed
    )
    assert change == Update({"containerDefinitions[0].image": ("users@sha256:1", "users@sha256:2")})


def test_a_role_that_does_not_exist_yet_is_not_compared():
    change = compare_task_definition(
        definition(task_role_arn=UNKNOWN), KINDS["task definition"].observed
    )
    assert change == NoChange()


def test_a_deregistered_revision_is_registered_again():
    observed = KINDS["task definition"].holding(status="INACTIVE")
    assert compare_task_definition(definition(), observed) == Create()


def test_a_secret_is_not_in_the_environment():
    (container,) = definition().request["containerDefinitions"]
    assert [item["name"] for item in container["environment"]] == ["A", "B"]


def test_the_networks_order_is_no_change():
    network = {
        "subnets": ["subnet-b", "subnet-a"],
        "securityGroups": ["sg-1", "sg-2"],
        "assignPublicIp": "DISABLED",
    }
    observed = described_service(networkConfiguration={"awsvpcConfiguration": network})
    assert compare_service(wanted_service(), observed) == NoChange()


def test_more_tasks_than_configured_stay():
    assert compare_service(wanted_service(), described_service(desiredCount=4)) == NoChange()


def test_fewer_tasks_than_configured_are_an_update():
    change = compare_service(wanted_service(), described_service(desiredCount=0))
    assert change == Update({"desiredCount": (0, 1)})


def test_a_service_behind_another_target_group_is_an_update():
    (behind,) = wanted_service().request["loadBalancers"]
    change = compare_service(wanted_service(), described_service(loadBalancers=[]))
    assert change == Update({"loadBalancers": ([], [behind])})


def test_what_ecs_adds_to_a_load_balancer_is_no_change():
    (behind,) = wanted_service().request["loadBalancers"]
    observed = described_service(loadBalancers=[behind | {"advancedConfiguration": None}])
    assert compare_service(wanted_service(), observed) == NoChange()


def test_a_revision_that_is_not_registered_yet_is_not_compared():
    assert (
        compare_service(wanted_service(task_definition=UNKNOWN), described_service()) == NoChange()
    )


def test_the_load_balancer_is_named_as_cloudwatch_does():
    assert DISCOVERED.load_balancer_dimension == "app/forum/50dc6c495c0c9188"
