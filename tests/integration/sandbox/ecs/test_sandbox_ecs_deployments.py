"""Deployments of ECS services of the sandbox, through boto3 and the load balancer."""

from dataclasses import dataclass

import pytest

from tests.integration.sandbox.ecs.sandbox_ecs import Clients, served_ecs

BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
ROLLBACK = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@pytest.fixture(scope="module")
def cluster():
    with served_ecs() as served:
        yield served


def versioned(cluster, version):
    return cluster.definition(environment=[{"name": "version", "value": version}])


def deploy(cluster, name, definition):
    cluster.ecs.update_service(cluster="forum", service=name, taskDefinition=definition)


def wait_failed(cluster, name):
    """The failed deployment, wherever it stands in the list."""

    def failed():
        deployments = cluster.read(name)["deployments"]
        return next((one for one in deployments if one["rolloutState"] == "FAILED"), None)

    return cluster.wait_until(failed)


def test_a_rolling_deployment_replaces_every_task_without_a_failed_request(cluster):
    group = cluster.group(delay=2)
    name = cluster.service(versioned(cluster, "one"), group, desiredCount=2)
    cluster.wait_completed(name)
    with Clients(f"{cluster.url(group)}/version") as clients:
        deploy(cluster, name, versioned(cluster, "two"))
        cluster.wait_completed(name)
        before = clients.answers["two"]
        cluster.wait_until(lambda: clients.answers["two"] > before + 50)
    assert (clients.failures, sorted(clients.answers)) == ([], ["one", "two"])


def test_during_a_deployment_the_old_one_is_active_beside_the_primary(cluster):
    name = cluster.service()
    cluster.wait_completed(name)
    old = cluster.primary(name)["id"]
    deploy(cluster, name, cluster.definition())
    found = [(one["status"], one["id"] == old) for one in cluster.read(name)["deployments"]]
    assert found == [("PRIMARY", False), ("ACTIVE", True)]


def test_a_service_is_stable_only_when_the_old_tasks_have_stopped(cluster):
    name = cluster.service()
    cluster.wait_completed(name)
    old = cluster.tasks(name)[0]["taskArn"]
    cluster.ecs.update_service(cluster="forum", service=name, forceNewDeployment=True)
    cluster.wait_stable(name)
    assert cluster.ecs.describe_tasks(cluster="forum", tasks=[old])["tasks"][0]["lastStatus"] in (
        "STOPPING",
        "STOPPED",
    )


def test_the_same_task_definition_again_starts_no_deployment(cluster):
    name = cluster.service()
    before = cluster.read(name)
    deploy(cluster, name, before["taskDefinition"])
    assert cluster.primary(name)["id"] == before["deployments"][0]["id"]


@dataclass(frozen=True)
class RolledBack:
    """A service whose crashing deployment was rolled back, and its deployments."""

    name: str
    good: dict
    bad: dict
    rollback: dict


@pytest.fixture(scope="module")
def rolled_back(cluster):
    name = cluster.service(deploymentConfiguration=ROLLBACK)
    cluster.wait_completed(name)
    good = cluster.primary(name)
    deploy(cluster, name, cluster.definition("crash"))
    bad = wait_failed(cluster, name)
    rollback = cluster.primary(name)
    cluster.wait_completed(name)
    return RolledBack(name, good, bad, rollback)


def test_a_crashing_deployment_trips_the_breaker_and_rolls_back(cluster, rolled_back):
    definition = cluster.read(rolled_back.name)["taskDefinition"]
    assert definition == rolled_back.good["taskDefinition"]


def test_the_reason_of_a_rollback_names_the_deployment_it_returns_to(rolled_back):
    good = rolled_back.good["id"]
    reason = f"ECS deployment circuit breaker: rolling back to deploymentId {good}."
    assert rolled_back.rollback["rolloutStateReason"] == reason


def test_the_events_of_a_rollback_have_awss_wording(cluster, rolled_back):
    events = [event.partition(") ")[2] for event in cluster.events(rolled_back.name)]
    bad, good = rolled_back.bad["id"], rolled_back.good["id"]
    failed = events.index(f"(deployment {bad}) deployment failed: tasks failed to start.")
    assert events[failed - 1] == f"rolling back to deployment {good}."


def test_a_rollback_is_part_of_the_service_deployment_it_undoes(cluster, rolled_back):
    found = cluster.ecs.list_service_deployments(cluster="forum", service=rolled_back.name)
    statuses = [one["status"] for one in found["serviceDeployments"]]
    assert statuses == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]


def test_a_rollback_keeps_every_request_served(cluster):
    group = cluster.group()
    name = cluster.service(versioned(cluster, "good"), group, deploymentConfiguration=ROLLBACK)
    cluster.wait_completed(name)
    with Clients(f"{cluster.url(group)}/version") as clients:
        deploy(cluster, name, cluster.definition("crash"))
        wait_failed(cluster, name)
        cluster.wait_completed(name)
    assert clients.failures == []


def test_without_rollback_a_failed_deployment_stays_failed_and_the_old_tasks_serve_on(cluster):
    name = cluster.service(deploymentConfiguration=BREAKER)
    cluster.wait_completed(name)
    old = cluster.tasks(name)[0]["taskArn"]
    deploy(cluster, name, cluster.definition("crash"))
    wait_failed(cluster, name)
    assert (cluster.primary(name)["rolloutState"], cluster.tasks(name)[0]["taskArn"]) == (
        "FAILED",
        old,
    )


def test_a_first_deployment_that_fails_launches_nothing_more(cluster):
    name = cluster.service(cluster.definition("crash"), deploymentConfiguration=ROLLBACK)
    wait_failed(cluster, name)
    cluster.wait_until(
        lambda: all(one["lastStatus"] == "STOPPED" for one in cluster.tasks(name, "STOPPED"))
    )
    found = cluster.ecs.list_service_deployments(cluster="forum", service=name)[
        "serviceDeployments"
    ]
    arns = [found[0]["serviceDeploymentArn"]]
    full = cluster.ecs.describe_service_deployments(serviceDeploymentArns=arns)[
        "serviceDeployments"
    ][0]
    assert (len(cluster.tasks(name, "STOPPED")), full["deploymentCircuitBreaker"]["status"]) == (
        3,
        "TRIGGERED",
    )


def test_a_service_that_keeps_failing_has_an_event(cluster):
    name = cluster.service(cluster.definition("crash"))
    words = f"(service {name}) is unable to consistently start tasks successfully."
    cluster.wait_until(lambda: any(event.startswith(words) for event in cluster.events(name)))


def test_a_crashed_container_shows_its_exit_code_and_its_last_lines(cluster):
    name = cluster.service(cluster.definition("crash"))
    task = cluster.stopped(name)[0]
    assert (task["containers"][0]["exitCode"], cluster.lines(task)) == (3, ["no configuration"])


def test_a_task_that_fails_its_load_balancers_checks_is_stopped_for_that(cluster):
    group = cluster.group(often=True)
    name = cluster.service(
        cluster.definition("sick"),
        group,
        deploymentConfiguration=BREAKER | {"maximumPercent": 100, "minimumHealthyPercent": 0},
    )
    assert (
        cluster.stopped(name)[0]["stoppedReason"]
        == f"Task failed ELB health checks in (target-group {group})"
    )


def test_the_grace_period_keeps_a_task_that_is_not_healthy_yet(cluster):
    group = cluster.group(often=True)
    name = cluster.service(cluster.definition("sick"), group, healthCheckGracePeriodSeconds=60)
    cluster.wait_until(lambda: "unhealthy" in cluster.targets(group).values())
    assert [event for event in cluster.events(name) if "is unhealthy" in event] == []


def test_a_healthy_task_that_becomes_unhealthy_is_replaced_before_it_is_stopped(cluster, tmp_path):
    sick = tmp_path / "sick"
    sick.touch()
    group = cluster.group(often=True)
    environment = [{"name": "SICK_FILE", "value": str(sick)}]
    name = cluster.service(cluster.definition(environment=environment), group)
    cluster.wait_completed(name)
    first = cluster.tasks(name)[0]["taskArn"]
    (address,) = cluster.targets(group)
    sick.write_text(address)
    cluster.wait_until(lambda: len(cluster.tasks(name)) == 2)
    cluster.wait_until(lambda: first not in [task["taskArn"] for task in cluster.tasks(name)])
    assert len(cluster.tasks(name)) == 1


def test_the_fault_crash_ends_a_services_tasks_as_if_by_themselves(cluster):
    name = cluster.name("service")
    cluster.faults.plan.crash |= {name}
    cluster.service(serviceName=name)
    task = cluster.stopped(name)[0]
    seen = task["stopCode"], task["stoppedReason"], task["containers"][0]["exitCode"]
    assert seen == ("EssentialContainerExited", "Essential container in task exited", 1)


def test_the_fault_crash_trips_the_breaker_of_a_service_behind_a_load_balancer(cluster):
    name = cluster.name("service")
    cluster.faults.plan.crash |= {name}
    cluster.service(group=cluster.group(), serviceName=name, deploymentConfiguration=BREAKER)
    assert wait_failed(cluster, name)["failedTasks"] == 3
