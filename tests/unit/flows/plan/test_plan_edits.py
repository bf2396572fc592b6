"""Edits of somebody else in a split that is done: they stop the plan and the drain."""

from dataclasses import replace
from types import SimpleNamespace

from flows.plan.change import PlannedChange
from flows.plan.monolith.drain import DrainDecision, decide_drain
from flows.plan.split import Plan, edited_rules
from tasks.aws.change import Conflict
from tasks.aws.tags import Owner
from tasks.elbv2.default_action import edit_of_taken_over, taken_over_rules
from tasks.elbv2.path_rule import desired_path_rules
from tasks.elbv2.rule_matching import DEFAULT_PRIORITY, Rule, path_condition, weighted_forward
from tasks.elbv2.rules.edits import forms_tag
from tasks.elbv2.rules.form import form_of

MONOLITH, CART = "arn:shop-web-tg", "arn:cart-tg"
(DESIRED,) = desired_path_rules(("/cart*",), Owner("shop", "cart"))
ACTIONS = weighted_forward({MONOLITH: 0, CART: 100})
CART_RULE = Rule(
    "arn:rule",
    50,
    tuple(DESIRED.conditions),
    tuple(ACTIONS),
    DESIRED.tags_when_created(ACTIONS, 50),
)
METHOD = {
    "Field": "http-request-method",
    "HttpRequestMethodConfig": {"Values": ["GET"]},
}
DEFAULT = Rule("arn:default", DEFAULT_PRIORITY, (), tuple(weighted_forward({CART: 1})))
CONFIG = SimpleNamespace(
    name="shop",
    monolith=SimpleNamespace(
        drain="auto", quiet_seconds=1, longest_connection=0, default_action=None
    ),
)
DISCOVERED = SimpleNamespace(
    monolith=SimpleNamespace(desired_count=1, target_group_arn=MONOLITH, other_ways=())
)


def decide(*rules):
    return decide_drain(CONFIG, DISCOVERED, rules, complete=True, allowed=True)


def test_with_its_rules_as_they_were_left_the_monolith_is_drained():
    assert decide(CART_RULE, DEFAULT).will_drain


def test_the_monolith_is_not_drained_while_a_path_rule_takes_get_only():
    edited = replace(CART_RULE, conditions=(*CART_RULE.conditions, METHOD))
    decision = decide(edited, DEFAULT)
    assert not decision.will_drain
    assert "condition http-request-method GET" in decision.reasons[0]


def test_the_monolith_is_not_drained_while_another_rule_comes_before_a_path_rule():
    other = Rule(
        "arn:other",
        1,
        (path_condition("/cart/legacy"),),
        ({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "410"}},),
    )
    decision = decide(other, CART_RULE, DEFAULT)
    assert not decision.will_drain
    assert "rule 1 (/cart/legacy) now comes before rule 50 (/cart*)" in decision.reasons[0]


def test_a_conflict_of_the_monoliths_rules_stops_the_run():
    change = PlannedChange("listener", "the default action", Conflict("edited"))
    plan = Plan((), "shop-web", (change,), DrainDecision(will_drain=False, reasons=()))
    assert plan.conflicts == ["edited"]


def test_a_default_action_that_was_taken_over_is_known_by_the_listeners_tags():
    left = form_of((), DEFAULT.actions)
    tags = {"split:taken-over": "shop", **forms_tag(left)}
    (rule,) = taken_over_rules([CART_RULE, DEFAULT], tags, "shop")
    assert edit_of_taken_over(rule) is None
    to_monolith = tuple(weighted_forward({MONOLITH: 1}))
    assert "the default action was taken over" in edit_of_taken_over(
        replace(rule, actions=to_monolith)
    )


def test_an_older_version_recorded_nothing_of_what_it_took_over():
    (rule,) = taken_over_rules([DEFAULT], {"split:taken-over": "shop"}, "shop")
    assert edit_of_taken_over(rule) is None


def conflicts(*rules, desired_count=0, taken_over=()):
    monolith = SimpleNamespace(desired_count=desired_count, target_group_arn=MONOLITH)
    config = SimpleNamespace(
        name="shop", monolith=SimpleNamespace(service="shop-web", default_action=None)
    )
    found = edited_rules(
        config,
        SimpleNamespace(monolith=monolith),
        SimpleNamespace(rules=rules, taken_over=taken_over),
    )
    return [item.conflict for item in found]


def test_a_rule_for_a_drained_monolith_is_a_conflict_also_without_any_record():
    returned = replace(DEFAULT, actions=tuple(weighted_forward({MONOLITH: 1})))
    (text,) = conflicts(CART_RULE, returned)
    assert "the default action forwards to shop-web, which is drained" in text
    assert conflicts(CART_RULE, returned, desired_count=2) == []


def test_an_edited_rule_that_was_taken_over_is_a_conflict_once():
    tags = {"split:taken-over": "shop", **forms_tag(form_of((), DEFAULT.actions))}
    returned = replace(DEFAULT, actions=tuple(weighted_forward({MONOLITH: 1})), tags=tags)
    (text,) = conflicts(CART_RULE, returned, desired_count=2, taken_over=(returned,))
    assert "the default action was taken over" in text
    assert len(conflicts(CART_RULE, returned, taken_over=(returned,))) == 1
