"""A rule that somebody edits: no weight is raised on it, and its traffic can still be returned."""

from pathlib import Path

import pytest

from config.errors import ResourceConflict, TrafficConflict
from config.load import load_config
from tasks.aws.tags import Owner
from tasks.discovery import discover
from tasks.elbv2.default_action import (
    edit_of_taken_over,
    give_back,
    monolith_rules,
    read_taken_over,
    take_over,
)
from tasks.elbv2.path_rule import desired_path_rules
from tasks.elbv2.rule import delete_rule, ensure_rule, read_rule, read_rules
from tasks.elbv2.rules.edits import edited
from tasks.elbv2.weights import check_unchanged, shift_weight

(DESIRED,) = desired_path_rules(("/cart*", "/basket"), Owner("shop", "cart"))
PATHS = DESIRED.conditions
METHOD = {
    "Field": "http-request-method",
    "HttpRequestMethodConfig": {"Values": ["GET"]},
}
GONE = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]


class Shop:
    """A path rule on the forum's listener, between its monolith and a group of its own."""

    def __init__(self, sandbox):
        config = load_config(Path(sandbox.state["config"]))
        discovered = discover.plain(config)
        self.aws = config.aws
        self.elb = sandbox.boto("elbv2")
        self.listener = discovered.listener_arn
        self.monolith = discovered.monolith.target_group_arn
        made = self.elb.create_target_group(
            Name="cart-tg", Protocol="HTTP", Port=3000, VpcId=discovered.vpc_id, TargetType="ip"
        )
        self.cart = made["TargetGroups"][0]["TargetGroupArn"]
        self.rule = self.ensure()

    def ensure(self, desired=DESIRED):
        weights = {self.monolith: 100, self.cart: 0}
        return ensure_rule.plain(self.aws, self.listener, desired, weights, self.monolith)

    def shift(self, weight):
        return shift_weight.plain(self.aws, self.rule, self.monolith, self.cart, weight)

    def weight(self):
        return check_unchanged(read_rule(self.aws, self.rule), self.cart)

    def add_rule(self, priority, condition):
        made = self.elb.create_rule(
            ListenerArn=self.listener, Priority=priority, Conditions=[condition], Actions=GONE
        )
        return made["Rules"][0]["RuleArn"]


@pytest.fixture
def shop(sandbox):
    made = Shop(sandbox)
    yield made
    delete_rule.plain(made.aws, made.rule)
    made.elb.delete_target_group(TargetGroupArn=made.cart)


def test_a_rule_is_as_it_was_left_after_each_of_the_tools_own_writes(shop):
    for weight in (10, 50, 100, 0):
        shop.shift(weight)
        assert (shop.weight(), edited(read_rule(shop.aws, shop.rule))) == (weight, None)


def test_paths_that_the_config_changes_are_not_somebody_else_s(shop):
    (wider,) = desired_path_rules(("/cart*", "/basket", "/wishes"), Owner("shop", "cart"))
    assert shop.ensure(wider) == shop.rule
    assert shop.weight() == 0
    shop.shift(10)
    assert shop.weight() == 10


def test_a_method_condition_stops_the_next_weight_and_not_the_return(shop):
    shop.shift(10)
    shop.elb.modify_rule(RuleArn=shop.rule, Conditions=[*PATHS, METHOD])
    with pytest.raises(TrafficConflict, match="condition http-request-method GET"):
        shop.shift(50)
    with pytest.raises(ResourceConflict, match="condition http-request-method GET"):
        shop.ensure()
    assert shop.shift(0) == 10


def test_a_rule_that_comes_before_it_stops_the_next_weight_and_not_the_return(shop):
    shop.shift(10)
    other = shop.add_rule(1, {"Field": "path-pattern", "Values": ["/cart/legacy*"]})
    try:
        with pytest.raises(TrafficConflict, match=r"rule 1 \(/cart/legacy\*\) now comes before"):
            shop.shift(50)
        assert shop.shift(0) == 10
    finally:
        shop.elb.delete_rule(RuleArn=other)


def test_a_rule_of_an_older_version_is_recorded_when_it_is_ensured(shop):
    tags = ["split:form", "split:priority"]
    shop.elb.remove_tags(ResourceArns=[shop.rule], TagKeys=tags)
    shop.shift(10)
    shop.ensure()
    shop.elb.modify_rule(RuleArn=shop.rule, Conditions=[{"Field": "path-pattern", "Values": ["/"]}])
    with pytest.raises(TrafficConflict, match="conditions that are now /"):
        shop.shift(50)


@pytest.fixture
def taken_over(shop):
    """The listener's default action and rules, taken over from the monolith."""
    rules = monolith_rules(read_rules(shop.aws, shop.listener), shop.monolith)
    try:
        for rule in rules:
            take_over.plain(shop.aws, shop.listener, rule, GONE, shop.monolith, "shop")
        yield rules
    finally:
        for rule in read_taken_over(shop.aws, shop.listener, "shop"):
            give_back.plain(shop.aws, shop.listener, rule, shop.monolith)


def edits(shop):
    found = read_taken_over(shop.aws, shop.listener, "shop")
    return [edit_of_taken_over(rule) for rule in found]


def test_rules_that_were_taken_over_are_as_they_were_left(shop, taken_over):
    assert edits(shop) == [None for _ in taken_over]


def test_a_rule_that_was_taken_over_and_put_back_by_others_is_named(shop, taken_over):
    forward = [{"Type": "forward", "TargetGroupArn": shop.monolith}]
    for rule in taken_over:
        if rule.is_default:
            shop.elb.modify_listener(ListenerArn=shop.listener, DefaultActions=forward)
        else:
            shop.elb.modify_rule(RuleArn=rule.arn, Actions=forward)
    for rule, text in zip(taken_over, edits(shop), strict=True):
        assert text.startswith(f"{rule.label} was taken over from the monolith, and is not as")
