"""ECS services of the sandbox, through boto3: running tasks, targets, logs."""

import urllib.request

import pytest

from tests.integration.sandbox.ecs.sandbox_ecs import DIGEST, PORT, served_ecs


@pytest.fixture(scope="module")
def cluster():
    with served_ecs() as served:
        yield served


def test_a_service_becomes_stable_with_its_desired_count_of_running_tasks(cluster):
    name = cluster.service(desiredCount=2)
    cluster.wait_stable(name)
    assert [task["lastStatus"] for task in cluster.tasks(name)] == ["RUNNING", "RUNNING"]


def test_a_service_registers_its_tasks_as_healthy_targets(cluster):
    group = cluster.group()
    name = cluster.service(group=group, desiredCount=2)
    cluster.wait_completed(name)
    assert list(cluster.targets(group).values()) == ["healthy", "healthy"]


def test_requests_reach_the_task_through_the_load_balancer(cluster):
    group = cluster.group()
    environment = [{"name": "who", "value": "users"}]
    cluster.wait_completed(cluster.service(cluster.definition(environment=environment), group))
    with urllib.request.urlopen(f"{cluster.url(group)}/who") as answer:
        assert answer.read() == b"users"


def test_a_task_shows_the_address_that_it_answers_on(cluster):
    name = cluster.service()
    cluster.wait_stable(name)
    details = cluster.tasks(name)[0]["attachments"][0]["details"]
    address = next(one["value"] for one in details if one["name"] == "privateIPv4Address")
    # Without a load balancer a task is stable as soon as its program has been started.
    cluster.wait_until(lambda: answers(f"http://{address}:{PORT}/"))


def answers(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_a_container_shows_the_digest_of_its_image(cluster):
    name = cluster.service()
    cluster.wait_stable(name)
    assert cluster.tasks(name)[0]["containers"][0]["imageDigest"] == DIGEST


def test_events_are_in_the_order_of_what_happened(cluster):
    group = cluster.group()
    name = cluster.service(group=group)
    cluster.wait_completed(name)
    task = cluster.tasks(name)[0]["taskArn"].rpartition("/")[2]
    deployment = cluster.primary(name)["id"]
    assert cluster.events(name)[::-1] == [
        f"(service {name}) has started 1 tasks: (task {task}).",
        f"(service {name}) registered 1 targets in (target-group {group})",
        f"(service {name}) (deployment {deployment}) deployment completed.",
        f"(service {name}) has reached a steady state.",
    ]


def test_scaling_out_starts_more_tasks_in_the_same_deployment(cluster):
    name = cluster.service()
    cluster.wait_completed(name)
    before = cluster.primary(name)["id"]
    cluster.ecs.update_service(cluster="forum", service=name, desiredCount=3)
    cluster.wait_stable(name)
    assert {task["startedBy"] for task in cluster.tasks(name)} == {before}


def test_scaling_in_stops_tasks_with_awss_reason(cluster):
    name = cluster.service(desiredCount=2)
    cluster.wait_completed(name)
    cluster.ecs.update_service(cluster="forum", service=name, desiredCount=0)
    deployment = cluster.primary(name)["id"]
    assert (
        cluster.stopped(name)[0]["stoppedReason"]
        == f"Scaling activity initiated by (deployment {deployment})"
    )


def test_a_task_that_ends_by_itself_is_replaced(cluster):
    name = cluster.service()
    cluster.wait_completed(name)
    first = cluster.tasks(name)[0]["taskArn"]
    cluster.engine.containers[-1]._process.kill()
    cluster.wait_until(lambda: [one for one in cluster.tasks(name) if one["taskArn"] != first])
    assert cluster.stopped(name)[0]["containers"][0]["exitCode"] == -9


def test_a_task_that_is_stopped_by_a_user_is_replaced(cluster):
    name = cluster.service()
    cluster.wait_completed(name)
    first = cluster.tasks(name)[0]["taskArn"]
    cluster.ecs.stop_task(cluster="forum", task=first, reason="for a test")
    assert cluster.stopped(name)[0]["stoppedReason"] == "for a test"


def test_a_target_drains_before_its_container_is_stopped(cluster):
    group = cluster.group(delay=3)
    name = cluster.service(group=group)
    cluster.wait_completed(name)
    container = cluster.engine.containers[-1]
    cluster.ecs.update_service(cluster="forum", service=name, desiredCount=0)
    cluster.wait_until(lambda: "draining" in cluster.targets(group).values())
    assert container.exit_code() is None


def test_lines_reach_cloudwatch_logs_complete_and_in_order_before_the_task_is_stopped(cluster):
    definition = cluster.definition("writer")
    made = cluster.ecs.run_task(
        cluster="forum",
        taskDefinition=definition,
        networkConfiguration=cluster.network(),
        launchType="FARGATE",
    )
    arn = made["tasks"][0]["taskArn"]
    waiter = cluster.ecs.get_waiter("tasks_stopped")
    waiter.config.delay = 0.1
    waiter.wait(cluster="forum", tasks=[arn])
    assert cluster.lines(made["tasks"][0]) == [f"line {number}" for number in range(5000)]


def test_a_secret_reaches_the_container_as_an_environment_variable(cluster):
    arn = cluster.client("secretsmanager").create_secret(
        Name="db", SecretString='{"password": "hush"}'
    )["ARN"]
    secrets = [{"name": "PASSWORD", "valueFrom": f"{arn}:password::"}]
    cluster.wait_stable(cluster.service(cluster.definition(secrets=secrets)))
    assert cluster.engine.specs[-1].environment["PASSWORD"] == "hush"


def test_a_parameter_reaches_the_container_as_an_environment_variable(cluster):
    cluster.client("ssm").put_parameter(Name="/forum/key", Value="hush", Type="SecureString")
    secrets = [
        {"name": "KEY", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/forum/key"}
    ]
    cluster.wait_stable(cluster.service(cluster.definition(secrets=secrets)))
    assert cluster.engine.specs[-1].environment["KEY"] == "hush"


def _no_image(cluster):
    return cluster.definition("absent")


def _no_log_group(cluster):
    options = {
        "awslogs-group": "/absent",
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "ecs",
    }
    return cluster.definition(logConfiguration={"logDriver": "awslogs", "options": options})


def _no_secret(cluster):
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:absent-AbCdEf"
    return cluster.definition(secrets=[{"name": "KEY", "valueFrom": arn}])


def _no_parameter(cluster):
    arn = "arn:aws:ssm:us-east-1:123456789012:parameter/absent"
    return cluster.definition(secrets=[{"name": "KEY", "valueFrom": arn}])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_no_image, "CannotPullContainerError: absent: not found"),
        (_no_log_group, "ResourceNotFoundException: The specified log group does not exist."),
        (
            _no_secret,
            (
                "failed to fetch secret "
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:absent-AbCdEf"
            ),
        ),
        (_no_parameter, "invalid parameters: arn:aws:ssm:us-east-1:123456789012:parameter/absent"),
    ],
)
def test_a_task_that_cannot_start_has_the_reason(cluster, make, words):
    name = cluster.service(make(cluster))
    task = cluster.stopped(name)[0]
    assert (task["stopCode"], words in task["stoppedReason"]) == ("TaskFailedToStart", True)


def test_the_end_of_a_container_that_is_not_essential_leaves_the_task_running(cluster):
    sidecar = {"name": "sidecar", "image": "sidecar", "essential": False}
    app = {"name": "app", "image": "web", "essential": True}
    name = cluster.service(cluster.register([sidecar, app]))
    cluster.wait_completed(name)
    cluster.wait_until(lambda: cluster.engine.containers[-2].exit_code() == 0)
    assert [task["lastStatus"] for task in cluster.tasks(name)] == ["RUNNING"]


def test_tasks_carry_the_tags_of_their_service_when_they_are_propagated(cluster):
    tags = [{"key": "team", "value": "forum"}]
    name = cluster.service(propagateTags="SERVICE", tags=tags)
    cluster.wait_stable(name)
    assert cluster.tasks(name, include=["TAGS"])[0]["tags"] == tags


def test_a_deleted_service_drains_and_then_is_inactive_without_tasks(cluster):
    name = cluster.service()
    cluster.wait_stable(name)
    cluster.ecs.delete_service(cluster="forum", service=name, force=True)
    cluster.wait_until(lambda: cluster.read(name)["status"] == "INACTIVE")
    assert cluster.tasks(name) == []


def test_the_name_of_an_inactive_service_can_be_used_again(cluster):
    name = cluster.service()
    cluster.ecs.delete_service(cluster="forum", service=name, force=True)
    cluster.wait_until(lambda: cluster.read(name)["status"] == "INACTIVE")
    cluster.service(serviceName=name)
    cluster.wait_stable(name)
    assert cluster.read(name)["status"] == "ACTIVE"


def test_a_task_of_run_task_shows_its_override_at_work(cluster):
    override = {
        "containerOverrides": [{"name": "app", "environment": [{"name": "MODE", "value": "once"}]}]
    }
    cluster.ecs.run_task(
        cluster="forum",
        taskDefinition=cluster.definition("writer"),
        networkConfiguration=cluster.network(),
        overrides=override,
    )
    cluster.wait_until(lambda: cluster.engine.specs[-1].environment.get("MODE") == "once")


def test_describe_clusters_counts_what_runs(cluster):
    cluster.ecs.create_cluster(clusterName="counted")
    name = cluster.service(cluster="counted")
    waiter = cluster.ecs.get_waiter("services_stable")
    waiter.config.delay = 0.2
    waiter.wait(cluster="counted", services=[name])
    found = cluster.ecs.describe_clusters(clusters=["counted"])["clusters"][0]
    assert (found["activeServicesCount"], found["runningTasksCount"]) == (1, 1)
