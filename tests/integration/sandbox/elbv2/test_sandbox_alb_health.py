"""Target health in DescribeTargetHealth, and its effect on traffic."""

import asyncio
import socket
import time

import pytest

from sandbox.api.faults import parse_faults
from sandbox.elbv2.data_plane.prober import Prober
from sandbox.elbv2.data_plane.state import HealthCheck, Target
from sandbox.elbv2.data_plane.targets import Registration
from tests.integration.sandbox.elbv2.sandbox_alb import PORT, eventually, forward, served_site

MISMATCH = {
    "State": "unhealthy",
    "Reason": "Target.ResponseCodeMismatch",
    "Description": "Health checks failed with these codes: [503]",
}
FAILED = {
    "State": "unhealthy",
    "Reason": "Target.FailedHealthChecks",
    "Description": "Health checks failed",
}
TIMED_OUT = {"State": "unhealthy", "Reason": "Target.Timeout", "Description": "Request timed out"}
DRAINING = {
    "State": "draining",
    "Reason": "Target.DeregistrationInProgress",
    "Description": "Target deregistration is in progress",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served_site(tmp_path_factory.mktemp("alb")) as served:
        yield served


def only(health):
    (one,) = health.values()
    return one


def state(site, group):
    return only(site.health(group))["State"]


def test_a_target_of_a_group_that_nothing_uses_is_unused(site):
    health = only(site.health(site.group(site.run_target())))
    assert (health["State"], health["Reason"]) == ("unused", "Target.NotInUse")


def test_a_target_that_is_not_registered_is_unused(site):
    health = only(site.health(site.group(), Targets=[{"Id": "127.9.9.9", "Port": PORT}]))
    assert (health["State"], health["Reason"]) == ("unused", "Target.NotRegistered")


def test_a_target_without_a_port_is_found_at_the_groups_port(site):
    target = site.run_target()
    health = site.health(site.group(target), Targets=[{"Id": target.address}])
    assert health[target.address]["Reason"] == "Target.NotInUse"


def test_a_new_target_is_initial_until_its_first_check_is_over(site):
    target = site.run_target()
    target.may_pass_checks.clear()
    group = site.group()
    site.serve(forward({group: 1}))
    site.register_targets(group, target)
    health = only(site.health(group))
    assert (health["State"], health["Reason"]) == ("initial", "Elb.RegistrationInProgress")


def test_a_new_target_is_healthy_after_one_check(site):
    target = site.run_target()
    group = site.group(target, HealthCheckIntervalSeconds=300, HealthyThresholdCount=10)
    site.serve(forward({group: 1}))
    eventually(lambda: state(site, group) == "healthy")
    assert only(site.health(group)) == {"State": "healthy"}


def test_a_new_target_gets_no_request_before_its_first_check(site):
    old, new = site.run_target("old"), site.run_target("new")
    new.may_pass_checks.clear()
    group = site.group(old)
    listener = site.serve(forward({group: 1}))
    eventually(lambda: listener.status() == 200)
    site.register_targets(group, new)
    assert new.checked.wait(10)
    assert listener.count(20) == {"old": 20}


def test_a_target_that_is_slow_to_check_does_not_hold_up_the_others(site):
    slow, quick = site.run_target("slow"), site.run_target("quick")
    slow.may_pass_checks.clear()
    group = site.group(slow, HealthCheckIntervalSeconds=60, HealthCheckTimeoutSeconds=50)
    site.serve(forward({group: 1}))
    assert slow.checked.wait(10)
    site.register_targets(group, quick)
    eventually(lambda: site.health(group)[quick.address]["State"] == "healthy", 2)


def test_a_wrong_status_is_in_the_description(site):
    target = site.run_target()
    target.health = 503
    group = site.group(target, often=True)
    site.serve(forward({group: 1}))
    eventually(lambda: only(site.health(group)) == MISMATCH)


def test_a_new_target_that_fails_its_first_check_is_still_initial(site):
    target = site.run_target()
    target.health = 503
    group = site.group(target, HealthCheckIntervalSeconds=60)
    site.serve(forward({group: 1}))
    eventually(lambda: only(site.health(group)).get("Reason") == "Elb.InitialHealthChecking")


def test_a_check_without_an_answer_in_time_is_a_timeout(site):
    target = site.run_target()
    target.may_pass_checks.clear()
    group = site.group(target, often=True)
    site.serve(forward({group: 1}))
    eventually(lambda: only(site.health(group)) == TIMED_OUT)


def test_a_target_where_nobody_listens_has_failed_checks(site):
    target = site.run_target()
    group = site.group(target, often=True)
    site.serve(forward({group: 1}))
    target.close()
    site.running.remove(target)
    eventually(lambda: only(site.health(group)) == FAILED)


@pytest.mark.parametrize("matcher", ["204", "200,204", "200-299"])
def test_the_matcher_of_the_group_decides(site, matcher):
    target = site.run_target()
    target.health = 204
    group = site.group(target, Matcher={"HttpCode": matcher})
    site.serve(forward({group: 1}))
    eventually(lambda: state(site, group) == "healthy")


def test_a_changed_health_check_is_made_at_once(site):
    target = site.run_target()
    target.health = 404
    group = site.group(target, HealthCheckIntervalSeconds=300)
    site.serve(forward({group: 1}))
    eventually(lambda: only(site.health(group)).get("Reason") == "Elb.InitialHealthChecking")
    site.elb.modify_target_group(TargetGroupArn=group, Matcher={"HttpCode": "404"})
    eventually(lambda: state(site, group) == "healthy")


def test_a_health_check_port_of_its_own_is_checked(site):
    target = site.run_target()
    group = site.group(target, often=True, HealthCheckPort="9")
    site.serve(forward({group: 1}))
    eventually(lambda: state(site, group) == "unhealthy")
    described = site.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert described[0]["HealthCheckPort"] == "9"


def test_an_unhealthy_target_gets_no_request_while_another_is_healthy(site):
    well, ill = site.run_target("well"), site.run_target("ill")
    group = site.group(well, ill, often=True)
    listener = site.serve(forward({group: 1}))
    eventually(lambda: site.states(group) == ["healthy"] * 2)
    ill.health = 500
    eventually(lambda: "unhealthy" in site.states(group))
    eventually(lambda: listener.count(2) == {"well": 2})
    assert listener.count(50) == {"well": 50}


def test_when_all_targets_are_unhealthy_all_get_requests(site):
    targets = [site.run_target("a"), site.run_target("b")]
    group = site.group(*targets, often=True)
    listener = site.serve(forward({group: 1}))
    for target in targets:
        target.health = 500
    eventually(lambda: site.states(group) == ["unhealthy"] * 2)
    eventually(lambda: listener.count(2) == {"a": 1, "b": 1})


def test_an_unhealthy_target_recovers_after_the_threshold(site):
    target = site.run_target()
    target.health = 500
    group = site.group(target, often=True)
    site.serve(forward({group: 1}))
    eventually(lambda: state(site, group) == "unhealthy")
    target.health = 200
    eventually(lambda: state(site, group) == "healthy")


def test_a_deregistered_target_drains_for_the_delay_and_is_gone(site):
    target = site.run_target()
    group = site.group(target)
    site.set_attribute(group, "deregistration_delay.timeout_seconds", "1")
    site.serve(forward({group: 1}))
    site.deregister_targets(group, target)
    assert only(site.health(group)) == DRAINING
    eventually(lambda: site.health(group) == {}, 2)


def test_a_target_that_comes_back_while_it_drains_starts_over(site):
    target = site.run_target()
    group = site.group(target)
    site.serve(forward({group: 1}))
    eventually(lambda: state(site, group) == "healthy")
    site.deregister_targets(group, target)
    target.may_pass_checks.clear()
    site.register_targets(group, target)
    assert state(site, group) == "initial"


def test_the_fault_makes_a_group_unhealthy_until_it_is_removed(site):
    name = site.name("tg")
    group = site.group(site.run_target(), Name=name, often=True)
    site.serve(forward({group: 1}))
    eventually(lambda: state(site, group) == "healthy")
    site.faults.set(parse_faults(f"unhealthy={name}"))
    eventually(lambda: only(site.health(group)) == FAILED)
    site.faults.set(parse_faults(""))
    eventually(lambda: state(site, group) == "healthy")


async def test_checks_that_time_out_while_the_prober_closes_end_as_well():
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as never_accepts:
        port = never_accepts.getsockname()[1]
        check = HealthCheck("HTTP", "traffic-port", "/", 0.06, 0.03, 2, 2, "200")
        for _ in range(10):
            prober = Prober(lambda *_: None, lambda _: False)
            prober.follow(
                {
                    Registration("arn", "tg", Target("127.0.0.1", port), number): check
                    for number in range(20)
                }
            )
            await asyncio.sleep(0.028)
            time.sleep(0.004)  # noqa: ASYNC251 - so that the timeouts are due when the event loop comes to the close
            await asyncio.wait_for(prober.close(), 5)
