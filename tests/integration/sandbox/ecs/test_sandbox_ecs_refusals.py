"""What ECS refuses, in AWS's codes: contract tests of the sandbox through boto3."""

import pytest

from tests.integration.sandbox.ecs.sandbox_ecs import PORT, served_ecs
from tests.integration.sandbox.strictness import refused


@pytest.fixture(scope="module")
def cluster():
    with served_ecs() as served:
        yield served


@pytest.fixture(scope="module")
def idle(cluster):
    """A service without tasks."""
    return cluster.service(desiredCount=0)


@pytest.fixture(scope="module")
def inactive(cluster):
    name = cluster.service(desiredCount=0)
    cluster.ecs.delete_service(cluster="forum", service=name)
    cluster.wait_until(lambda: cluster.read(name)["status"] == "INACTIVE")
    return name


@pytest.fixture(scope="module")
def draining(cluster):
    """A service whose task still finishes its requests, which takes a minute."""
    name = cluster.service(group=cluster.group(delay=60, often=True))
    cluster.wait_stable(name)
    cluster.ecs.delete_service(cluster="forum", service=name, force=True)
    return name


def balanced(group, container="app", port=PORT):
    return [{"targetGroupArn": group, "containerName": container, "containerPort": port}]


def awsvpc(**settings):
    return {"awsvpcConfiguration": settings}


CREATE = [
    ("ClusterNotFoundException", "Cluster not found.", lambda _: {"cluster": "absent"}),
    ("ClientException", "TaskDefinition not found.", lambda _: {"taskDefinition": "absent:1"}),
    (
        "InvalidParameterException",
        "idempotent",
        lambda c: {"serviceName": c.service(desiredCount=0)},
    ),
    (
        "InvalidParameterException",
        "Network Configuration must be provided",
        lambda _: {"networkConfiguration": {}},
    ),
    (
        "InvalidParameterException",
        "The subnet ID 'subnet-0' does not exist",
        lambda _: {"networkConfiguration": awsvpc(subnets=["subnet-0"])},
    ),
    (
        "InvalidParameterException",
        "InvalidGroup.NotFound",
        lambda c: {"networkConfiguration": awsvpc(subnets=c.subnets, securityGroups=["sg-0"])},
    ),
    ("InvalidParameterException", "negative", lambda _: {"desiredCount": -1}),
    (
        "InvalidParameterException",
        "The container nobody does not exist in the task definition.",
        lambda c: {"loadBalancers": balanced(c.group(), container="nobody")},
    ),
    (
        "InvalidParameterException",
        "The container app did not have a container port 1 defined.",
        lambda c: {"loadBalancers": balanced(c.group(), port=1)},
    ),
    (
        "InvalidParameterException",
        "does not have an associated load balancer.",
        lambda c: {"loadBalancers": balanced(c.group(rule=False))},
    ),
    (
        "InvalidParameterException",
        "does not exist",
        lambda _: {
            "loadBalancers": balanced(
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/absent/0123456789abcdef"
            )
        },
    ),
    (
        "InvalidParameterException",
        "Health check grace",
        lambda _: {"healthCheckGracePeriodSeconds": 9},
    ),
    (
        "InvalidParameterException",
        "cannot be 100",
        lambda _: {
            "deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 100}
        },
    ),
    ("UnsupportedFeatureException", "DAEMON", lambda _: {"schedulingStrategy": "DAEMON"}),
]


@pytest.mark.parametrize(
    ("code", "words", "settings"), CREATE, ids=[words or code for code, words, _ in CREATE]
)
def test_create_service_refuses(cluster, code, words, settings):
    with refused(code, words):
        cluster.service(**{"desiredCount": 0, **settings(cluster)})


def test_a_group_of_target_type_instance_is_refused(cluster):
    group = cluster.target_group(TargetType="instance")
    with refused("InvalidParameterException", "incompatible with the awsvpc network mode"):
        cluster.service(loadBalancers=balanced(group))


def test_an_inactive_task_definition_is_refused(cluster):
    definition = cluster.definition()
    cluster.ecs.deregister_task_definition(taskDefinition=definition)
    with refused("ClientException", "TaskDefinition is inactive"):
        cluster.service(definition)


def test_the_same_client_token_returns_the_existing_service(cluster):
    settings = {"desiredCount": 0, "serviceName": cluster.name("service"), "clientToken": "once"}
    cluster.service(**settings)
    cluster.service(**settings)
    assert cluster.read(settings["serviceName"])["status"] == "ACTIVE"


def test_updating_a_service_that_does_not_exist(cluster):
    with refused("ServiceNotFoundException"):
        cluster.ecs.update_service(cluster="forum", service="absent", desiredCount=1)


def test_updating_an_inactive_service(cluster, inactive):
    with refused("ServiceNotActiveException"):
        cluster.ecs.update_service(cluster="forum", service=inactive, desiredCount=1)


def test_a_deleted_service_drains_while_its_task_does(cluster, draining):
    read = cluster.read(draining)
    assert (read["status"], read["desiredCount"], read["runningCount"]) == ("DRAINING", 0, 1)


def test_the_name_of_a_draining_service_is_not_free(cluster, draining):
    words = "Unable to Start a service that is still Draining."
    with refused("InvalidParameterException", words):
        cluster.service(serviceName=draining)


def test_updating_a_draining_service(cluster, draining):
    with refused("ServiceNotActiveException", "Service was not ACTIVE"):
        cluster.ecs.update_service(cluster="forum", service=draining, desiredCount=1)


@pytest.mark.parametrize(("name", "status"), [("draining", "DRAINING"), ("inactive", "INACTIVE")])
def test_a_deleted_service_may_be_deleted_again(cluster, request, name, status):
    service = request.getfixturevalue(name)
    again = cluster.ecs.delete_service(cluster="forum", service=service, force=True)
    assert again["service"]["status"] == status


def test_deleting_a_service_that_does_not_exist(cluster):
    with refused("ServiceNotFoundException"):
        cluster.ecs.delete_service(cluster="forum", service="absent")


def test_an_inactive_service_has_no_more_tags(cluster, inactive):
    arn = cluster.read(inactive)["serviceArn"]
    with refused("InvalidParameterException", "The specified service is inactive"):
        cluster.ecs.list_tags_for_resource(resourceArn=arn)


def test_an_inactive_service_is_still_described(cluster, inactive):
    read = cluster.read(inactive)
    assert (read["status"], read["deployments"]) == ("INACTIVE", [])


def test_deleting_a_service_that_is_scaled_above_0(cluster):
    name = cluster.service()
    with refused(
        "InvalidParameterException", "The service cannot be stopped while it is scaled above 0."
    ):
        cluster.ecs.delete_service(cluster="forum", service=name)


@pytest.mark.usefixtures("idle")
def test_deleting_a_cluster_with_services(cluster):
    with refused("ClusterContainsServicesException"):
        cluster.ecs.delete_cluster(cluster="forum")


def test_describing_more_than_ten_services(cluster):
    with refused("InvalidParameterException"):
        cluster.ecs.describe_services(
            cluster="forum", services=[f"s{number}" for number in range(11)]
        )


def test_an_unknown_service_is_a_failure_of_reason_missing(cluster):
    failures = cluster.ecs.describe_services(cluster="forum", services=["absent"])["failures"]
    assert failures == [
        {"arn": "arn:aws:ecs:us-east-1:123456789012:service/forum/absent", "reason": "MISSING"}
    ]


def test_an_unknown_task_is_a_failure_of_reason_missing(cluster):
    assert (
        cluster.ecs.describe_tasks(cluster="forum", tasks=["absent"])["failures"][0]["reason"]
        == "MISSING"
    )


def test_an_inactive_service_is_not_listed(cluster, inactive):
    pages = cluster.ecs.get_paginator("list_services").paginate(
        cluster="forum", PaginationConfig={"PageSize": 2}
    )
    assert not [
        arn for page in pages for arn in page["serviceArns"] if arn.endswith(f"/{inactive}")
    ]


def test_listing_the_tasks_of_a_service_that_does_not_exist(cluster):
    with refused("ServiceNotFoundException"):
        cluster.ecs.list_tasks(cluster="forum", serviceName="absent")


def test_stopping_a_task_that_does_not_exist(cluster):
    with refused("InvalidParameterException", "The referenced task was not found."):
        cluster.ecs.stop_task(cluster="forum", task="absent")


def test_a_deployment_configuration_is_kept_and_shown_with_its_defaults(cluster):
    breaker = {"enable": True, "rollback": True}
    name = cluster.service(
        desiredCount=0, deploymentConfiguration={"deploymentCircuitBreaker": breaker}
    )
    held = cluster.read(name)["deploymentConfiguration"]
    assert (
        held["deploymentCircuitBreaker"],
        held["maximumPercent"],
        held["minimumHealthyPercent"],
    ) == (
        breaker,
        200,
        100,
    )


def test_tags_of_a_service_can_be_changed(cluster, idle):
    arn = cluster.read(idle)["serviceArn"]
    cluster.ecs.tag_resource(
        resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    )
    cluster.ecs.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert cluster.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [
        {"key": "b", "value": "2"}
    ]


def test_tags_of_a_cluster_stay_motos(cluster):
    arn = cluster.ecs.describe_clusters(clusters=["forum"])["clusters"][0]["clusterArn"]
    cluster.ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "1"}])
    assert cluster.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [
        {"key": "a", "value": "1"}
    ]
