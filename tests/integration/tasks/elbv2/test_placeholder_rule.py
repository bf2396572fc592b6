"""The rule that attaches a target group which no other rule uses."""

from pathlib import Path

import pytest

from config.load import load_config
from tasks.discovery import discover
from tasks.elbv2 import placeholder_rule
from tasks.elbv2.placeholder_rule import attach_target_group
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import LAST_PRIORITY


class Listener:
    """The forum's listener, and a target group that no rule uses."""

    def __init__(self, sandbox):
        self.config = load_config(Path(sandbox.state["config"]))
        self.elb = sandbox.boto("elbv2")
        discovered = discover.plain(self.config)
        self.arn = discovered.listener_arn
        made = self.elb.create_target_group(
            Name="unused-tg", Protocol="HTTP", Port=80, VpcId=discovered.vpc_id, TargetType="ip"
        )
        self.group = made["TargetGroups"][0]["TargetGroupArn"]
        self._before = {rule.arn for rule in self.rules()}

    def rules(self):
        return read_rules(self.config.aws, self.arn)

    def made(self):
        """The priorities of the rules that the test made."""
        return [rule.priority for rule in self.rules() if rule.arn not in self._before]

    def take(self, priority):
        self.elb.create_rule(
            ListenerArn=self.arn,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": ["/theirs"]}],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )

    def attach(self):
        attach_target_group.plain(self.config.aws, self.arn, self.group, "forum")

    def clean_up(self):
        for rule in self.rules():
            if rule.arn not in self._before:
                self.elb.delete_rule(RuleArn=rule.arn)
        self.elb.delete_target_group(TargetGroupArn=self.group)


@pytest.fixture
def listener(sandbox):
    made = Listener(sandbox)
    yield made
    made.clean_up()


def test_a_target_group_is_attached_by_the_last_rule_before_the_lock(listener):
    listener.attach()
    assert listener.made() == [LAST_PRIORITY - 1]


def test_a_target_group_that_is_attached_gets_no_further_rule(listener):
    listener.attach()
    listener.attach()
    assert len(listener.made()) == 1


def test_a_priority_that_was_taken_in_the_meantime_is_the_one_that_is_logged(
    listener, monkeypatch, caplog
):
    def read_before_another_run_makes_a_rule(*arguments):
        rules = read_rules(*arguments)
        if not listener.made():
            listener.take(LAST_PRIORITY - 1)
        return rules

    monkeypatch.setattr(placeholder_rule, "read_rules", read_before_another_run_makes_a_rule)
    listener.attach()
    assert listener.made() == [LAST_PRIORITY - 2, LAST_PRIORITY - 1]
    assert f"priority {LAST_PRIORITY - 1} was taken in the meantime" in caplog.text
