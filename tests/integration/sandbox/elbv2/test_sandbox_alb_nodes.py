"""Load balancers of several nodes, and changes of rules that take their time to reach each."""

import http.client
import time

import pytest

from sandbox.api.faults import Plan
from tests.integration.sandbox.elbv2.sandbox_alb import eventually, fixed, forward, served_site
from tests.integration.sandbox.strictness import paths

SECONDS = 1.5


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served_site(tmp_path_factory.mktemp("alb"), nodes=3) as served:
        yield served


@pytest.fixture
def slow(site):
    """Changes of rules take their time until the test ends."""
    yield lambda seconds=SECONDS: site.faults.set(Plan(rule_propagation=seconds))
    site.faults.set(Plan())


class Rule:
    """A rule that answers with a text of its own, and what each node answers."""

    def __init__(self, site, text):
        self.elb, self.listener = site.elb, site.serve()
        self.arn = self.listener.rule(1, [paths("/app")], fixed(text))
        self.nodes = site.load_balancers.node_addresses(self.listener.host)
        eventually(lambda: self.texts() == [text] * 3)

    def set(self, text):
        self.elb.modify_rule(RuleArn=self.arn, Actions=[fixed(text)])

    def texts(self):
        """What each node answers, in their order."""
        return [self.text(node) for node in self.nodes]

    def text(self, address):
        connection = http.client.HTTPConnection(address, self.listener.port, timeout=30)
        try:
            connection.request("GET", "/app")
            return connection.getresponse().read().decode()
        except ConnectionRefusedError:
            return "refused"
        finally:
            connection.close()


@pytest.fixture
def rule(site):
    return Rule(site, "old")


def test_without_the_fault_a_change_is_in_force_on_every_node(rule):
    rule.set("new")
    eventually(lambda: rule.texts() == ["new"] * 3, 1)


def test_a_change_reaches_one_node_after_the_other(rule, slow):
    slow()
    rule.set("new")
    began, seen = time.monotonic(), []
    eventually(lambda: seen.append(rule.texts()) or seen[-1] == ["new"] * 3)
    assert time.monotonic() - began > SECONDS - 0.1
    assert all(texts == sorted(texts) for texts in seen)


def test_a_deleted_rule_is_in_force_for_a_while(rule, slow):
    slow()
    rule.elb.delete_rule(RuleArn=rule.arn)
    assert rule.texts() == ["old"] * 3
    eventually(lambda: "old" not in rule.texts())


def test_of_two_changes_the_last_one_stays(rule, slow, site):
    slow()
    rule.set("first")
    site.faults.set(Plan())
    rule.set("second")
    eventually(lambda: rule.texts() == ["second"] * 3, 1)
    time.sleep(SECONDS)  # the first change would have reached every node by now
    assert rule.texts() == ["second"] * 3


def test_connections_to_the_load_balancers_address_get_to_every_node(rule, slow):
    slow(6)
    rule.set("new")
    eventually(lambda: rule.text(rule.nodes[0]) == "new")
    host = rule.listener.host
    assert {rule.text(host) for _ in range(40)} == {"old", "new"}


def test_targets_are_registered_at_once_whatever_the_rules_take(site, slow):
    group = site.group()
    listener = site.serve(forward({group: 1}))
    eventually(lambda: listener.status() == 503)
    slow()
    site.register_targets(group, site.run_target("new"))
    eventually(lambda: listener.text() == "new", SECONDS)
