"""The load balancer for its clients: requests through a real HAProxy to real servers."""

import time

import pytest

from tests.integration.sandbox.elbv2.sandbox_alb import (
    PORT,
    Traffic,
    eventually,
    fixed,
    forward,
    served_site,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served_site(tmp_path_factory.mktemp("alb")) as served:
        yield served


@pytest.fixture(scope="module")
def pair(site):
    """Two healthy groups, and a rule that forwards to both."""
    old, new = site.group(site.run_target("old")), site.group(site.run_target("new"))
    listener = site.serve()
    rule = listener.rule(1, [path("/app*")], forward({old: 100, new: 0}))
    eventually(lambda: site.states(old) == site.states(new) == ["healthy"])
    return listener, rule, old, new


def path(*patterns):
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}}


def shift(site, rule, old, new, weight):
    site.elb.modify_rule(RuleArn=rule, Actions=[forward({old: 100 - weight, new: weight})])


def test_a_new_load_balancer_has_a_loopback_address_as_its_dns_name(site):
    assert site.serve().host.startswith("127.")


def test_a_created_load_balancer_that_is_created_again_keeps_its_address(site):
    name = site.name("alb")
    first = site.elb.create_load_balancer(Name=name, Subnets=site.subnets)["LoadBalancers"][0]
    assert (
        site.elb.create_load_balancer(Name=name, Subnets=site.subnets)["LoadBalancers"][0] == first
    )


def test_requests_are_shared_by_weight(site, pair):
    listener, rule, old, new = pair
    shift(site, rule, old, new, 10)
    eventually(lambda: "new" in listener.count(20, "/app"))
    answers = listener.count(2000, "/app")
    assert answers["new"] / 2000 == pytest.approx(0.10, abs=0.03)


def test_a_weight_is_in_force_a_moment_after_the_call(site, pair):
    listener, rule, old, new = pair
    shift(site, rule, old, new, 0)
    eventually(lambda: listener.count(5, "/app")["old"] == 5)
    shift(site, rule, old, new, 100)
    called = time.monotonic()
    eventually(lambda: listener.text("/app") == "new")
    assert time.monotonic() - called < 0.15


def test_a_group_of_weight_zero_gets_no_request(site, pair):
    listener, rule, old, new = pair
    shift(site, rule, old, new, 0)
    eventually(lambda: listener.count(20, "/app")["old"] == 20)
    assert listener.count(300, "/app") == {"old": 300}


def test_targets_of_a_group_take_turns(site):
    group = site.group(*(site.run_target(name) for name in ("a", "b", "c")))
    listener = site.serve(forward({group: 1}))
    eventually(lambda: site.states(group) == ["healthy"] * 3)
    eventually(lambda: listener.count(3).total() == len(listener.count(3)) == 3)
    assert listener.count(30) == {"a": 10, "b": 10, "c": 10}


@pytest.mark.parametrize("weights", [(), (0,), (1,)])
def test_without_a_weight_or_a_target_the_answer_is_503(site, weights):
    listener = site.serve(forward({site.group(): weight for weight in weights or (1, 1)}))
    eventually(lambda: listener.status() == 503)
    assert listener.ask()[0].getheader("Server") == "awselb/2.0"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("where", ["/hang-up", "/garbage"])
def test_a_target_that_hangs_up_or_does_not_answer_http_is_502(site, where, method):
    listener = site.serve(forward({site.group(site.run_target()): 1}))
    eventually(lambda: listener.status() == 200)
    assert listener.status(where, method=method) == 502


def test_a_target_that_refuses_the_connection_is_502(site):
    target = site.run_target()
    group = site.group(target, HealthCheckIntervalSeconds=100)
    listener = site.serve(forward({group: 1}))
    eventually(lambda: listener.status() == 200)
    target.close()
    site.running.remove(target)
    assert (listener.status(), listener.status(method="POST")) == (502, 502)


def test_a_target_that_does_not_answer_within_the_idle_timeout_is_504(site):
    target, group = site.run_target(), site.group()
    listener = site.serve(forward({group: 1}))
    idle = [{"Key": "idle_timeout.timeout_seconds", "Value": "1"}]
    site.elb.modify_load_balancer_attributes(
        LoadBalancerArn=listener.load_balancer, Attributes=idle
    )
    site.register_targets(group, target)
    eventually(lambda: listener.status() == 200)
    assert listener.status("/slow") == 504
    target.may_finish.set()


def test_the_target_gets_the_request_with_forwarding_headers(site):
    listener = site.serve(forward({site.group(site.run_target()): 1}))
    eventually(lambda: listener.status() == 200)
    seen = listener.text(
        "/echo/%41?b=%20", headers={"Host": "forum.example", "X-Forwarded-For": "203.0.113.9"}
    )
    assert seen.splitlines()[0] == "GET /echo/%41?b=%20 HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in seen.splitlines()[1:] if line)
    assert headers["host"] == "forum.example"
    assert headers["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == str(listener.port)


LONG = "x" * 16_000


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/{LONG}", {"X-A": LONG, "X-B": LONG, "X-C": LONG}, 200),
        (f"/?{LONG}{LONG}", {}, 414),
        ("/", {"X-A": LONG + LONG}, 400),
        ("/", {f"X-{number}": LONG for number in range(5)}, 400),
    ],
    ids=["within every limit", "request line", "one header", "all headers"],
)
def test_a_request_over_a_size_limit_is_refused(site, path, headers, status):
    listener = site.serve(fixed("served"))
    response, _ = listener.ask(path, headers=headers)
    assert (response.status, response.getheader("Server")) == (status, "awselb/2.0")


def test_a_response_with_more_than_32_kb_of_headers_is_502(site):
    listener = site.serve(forward({site.group(site.run_target()): 1}))
    eventually(lambda: listener.status() == 200)
    assert listener.status("/headers/30000") == 200
    assert listener.status("/headers/34000") == 502


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_target_that_closes_a_connection_under_a_request_is_502(site, method):
    target = site.run_target()
    group = site.group(target)
    listener = site.serve(forward({group: 1}))
    eventually(lambda: listener.status() == 200)
    target.closes_silently = True
    with Traffic(listener, method=method) as traffic:
        eventually(lambda: traffic.failures, 30)
    assert {failure[:15] for failure in traffic.failures} == {"502 <html><head"}


def test_a_connection_to_a_target_is_used_for_requests_of_any_method_and_client(site):
    target = site.run_target()
    group = site.group(target, HealthCheckIntervalSeconds=100)
    listener = site.serve(forward({group: 1}))
    eventually(lambda: listener.status() == 200)
    before = target.server.accepted
    for method in ("GET", "POST", "PUT"):
        assert listener.status("/", method=method, body="x") == 200
    assert target.server.accepted == before


@pytest.mark.parametrize("keep_alive", [True, False])
def test_no_request_fails_while_weights_change_and_groups_and_listeners_come_and_go(
    site, pair, keep_alive
):
    listener, rule, old, new = pair
    with Traffic(listener, "/app/x", keep_alive=keep_alive) as traffic:
        for step in range(5):
            shift(site, rule, old, new, 20 * (step + 1))
            group = site.group(site.run_target("third"))
            added = listener.rule(100 + step, [path(f"/third/{step}")], forward({group: 1}))
            eventually(lambda step=step: listener.text(f"/third/{step}") == "third")
            other = site.serve(fixed("other"))
            site.elb.delete_rule(RuleArn=added)
            site.elb.delete_target_group(TargetGroupArn=group)
            site.elb.delete_load_balancer(LoadBalancerArn=other.load_balancer)
            eventually(lambda other=other: other.status() == "refused")
        shift(site, rule, old, new, 0)
    assert traffic.failures == []
    assert traffic.answers["new"] > 0


def test_no_request_fails_while_targets_are_replaced_and_stopped(site):
    first = site.run_target("first")
    group = site.group(first)
    site.set_attribute(group, "deregistration_delay.timeout_seconds", "1")
    listener = site.serve(forward({group: 1}))
    eventually(lambda: listener.status() == 200)
    with Traffic(listener) as traffic:
        for number in range(3):
            second = site.run_target(f"next {number}")
            site.register_targets(group, second)
            eventually(
                lambda second=second: site.health(group)[second.address]["State"] == "healthy"
            )
            site.deregister_targets(group, first)
            eventually(lambda first=first: first.address not in site.health(group))
            first.close()
            site.running.remove(first)
            first = second
    assert traffic.failures == []


def test_a_deregistered_target_finishes_its_requests(site):
    target = site.run_target("slow one")
    group = site.group(target)
    listener = site.serve(forward({group: 1}))
    eventually(lambda: listener.status() == 200)
    with Traffic(listener, "/slow", clients=1) as traffic:
        assert target.in_flight.wait(10)
        site.deregister_targets(group, target)
        eventually(lambda: listener.status() == 503)
        target.may_finish.set()
        eventually(lambda: traffic.answers["slow one"])
    assert traffic.answers["slow one"] == 1


def test_a_listener_moves_to_another_port(site):
    listener = site.serve(fixed("here"))
    before, listener.port = listener.port, next(site.ports)
    site.elb.modify_listener(ListenerArn=listener.arn, Port=listener.port)
    eventually(lambda: listener.status() == 200)
    listener.port = before
    eventually(lambda: listener.status() == "refused")


def test_a_request_in_flight_outlives_its_listener(site):
    target = site.run_target("slow one")
    listener = site.serve(forward({site.group(target): 1}))
    eventually(lambda: listener.status() == 200)
    with Traffic(listener, "/slow", clients=1) as traffic:
        assert target.in_flight.wait(10)
        site.elb.delete_listener(ListenerArn=listener.arn)
        eventually(lambda: listener.status() == "refused")
        target.may_finish.set()
        eventually(lambda: traffic.answers["slow one"])
    assert traffic.answers["slow one"] == 1


def proxy_of(site, listener):
    proxies = site.load_balancers._proxies
    return next(proxy for node, proxy in proxies.items() if node.listener == listener.arn)


def test_haproxy_that_dies_is_restarted_and_reported(site, capfd):
    listener = site.serve(fixed("alive"))
    killed = eventually(lambda: proxy_of(site, listener)._process)
    killed.kill()
    eventually(lambda: killed.returncode is not None)
    eventually(lambda: listener.status() == 200)
    assert "ended unexpectedly; restarting it" in capfd.readouterr().err


def test_a_port_in_use_is_reported_and_served_when_it_is_free(site, capfd):
    target = site.run_target()
    listener = site.serve()
    busy = type(target)(listener.host, "in the way", port=PORT)
    said = ""
    site.listener(listener.load_balancer, Port=PORT, DefaultActions=[fixed("served")])
    while "cannot bind" not in said:
        said += capfd.readouterr().err
    busy.close()
    listener.port = PORT
    eventually(lambda: listener.status() == 200 and listener.text() == "served")
