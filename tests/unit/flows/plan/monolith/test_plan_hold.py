"""What a plan has about the monolith's scaling, and about the record of its size."""

from types import SimpleNamespace

import pytest

from config.monolith import FixedResponse, ForwardTo, KeepDefault
from flows.plan.monolith.hold import plan_hold
from flows.plan.monolith.record import why_not_restorable
from tasks.autoscaling.scaling import Suspension
from tasks.discovery import Monolith
from tasks.ecs.size_record import SizeRecord
from tasks.elbv2.rule_matching import DEFAULT_PRIORITY, Rule, weighted_forward

GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup"
WEB, CART = f"{GROUP}/shop-web/1", f"{GROUP}/cart-tg/2"
LISTENER = "arn:listener"
OWN = {
    "split:managed-by": "ecs-splitter",
    "split:config": "shop",
    "split:role": "path",
    "split:service": "cart",
}
ON = Suspension.none()
HELD = ON.without_scale_in(scheduled=False)


def config(default_action):
    return SimpleNamespace(
        name="shop", monolith=SimpleNamespace(service="shop-web", default_action=default_action)
    )


def monolith(desired_count, scaling=ON, **tags):
    return Monolith(
        service="shop-web",
        service_arn="arn:service/shop/shop-web",
        desired_count=desired_count,
        running_count=desired_count,
        target_group_arn=WEB,
        target_group_name="shop-web",
        container="web",
        port=8000,
        task_definition="shop-web:1",
        log_group=None,
        tags=tags,
        scaling=scaling,
    )


def cart_rule(weight, record=None):
    tags = {**OWN, **(record.rule_tags if record else {})}
    actions = weighted_forward({WEB: 100 - weight, CART: weight})
    return Rule("arn:rule/5", 5, (), tuple(actions), tags)


def default_rule(action):
    return Rule("arn:rule/default", DEFAULT_PRIORITY, (), (action,))


TO_CART = default_rule({"Type": "forward", "TargetGroupArn": CART})
NOT_FOUND = default_rule({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}})


def planned(found, *rules, shifts=False, drains=False, action=None):
    discovered = SimpleNamespace(monolith=found, listener_arn=LISTENER)
    wanted = config(action or KeepDefault())
    changes = plan_hold(wanted, discovered, rules, shifts=shifts, drains=drains)
    return [(item.resource, item.change.kind) for item in changes]


def test_a_run_that_shifts_traffic_shows_that_it_suspends_scale_in():
    assert planned(monolith(4), cart_rule(0), shifts=True) == [("scalable target", "update")]


def test_a_monolith_without_autoscaling_has_nothing_to_suspend():
    assert planned(monolith(4, scaling=None), cart_rule(0), shifts=True) == []


def test_a_settled_split_has_nothing_to_change():
    settled = cart_rule(100, SizeRecord(4, None, is_held=False))
    assert planned(monolith(1), settled) == []


def test_scaling_that_a_killed_run_left_suspended_is_resumed():
    left = cart_rule(100, SizeRecord(4, ON))
    assert planned(monolith(4, HELD), left) == [("scalable target", "update")]


def test_a_record_that_a_killed_run_left_on_a_monolith_without_autoscaling_is_removed():
    left = cart_rule(100, SizeRecord(4, None))
    assert planned(monolith(4, scaling=None), left) == [("ECS service", "update")]


def test_a_drained_monolith_of_an_earlier_release_gets_its_record_on_the_path_rules():
    tags = SizeRecord(4, ON).tags
    assert planned(monolith(0, Suspension.all(), **tags), cart_rule(100)) == [
        ("listener rule", "update")
    ]


def test_a_drained_monolith_with_its_record_has_nothing_to_change():
    drained = cart_rule(100, SizeRecord(4, ON))
    assert planned(monolith(0, Suspension.all()), drained) == []


def test_a_drained_monolith_without_a_record_is_a_conflict_and_not_nothing_to_do():
    assert planned(monolith(0, Suspension.all()), cart_rule(100)) == [("ECS service", "conflict")]


def test_a_monolith_without_tasks_that_no_service_has_replaced_is_no_conflict():
    assert planned(monolith(0), cart_rule(0)) == []


def remedy(found, *rules, action):
    return why_not_restorable(config(action), found, LISTENER, rules)


def test_the_remedy_is_the_command_that_records_the_size():
    text = remedy(monolith(0), cart_rule(100), action=KeepDefault())
    assert (
        "`aws ecs tag-resource --resource-arn arn:service/shop/shop-web --tags "
        "'key=split:desired-count,value=N' 'key=split:scaling,value=in=0 out=0 scheduled=0' "
        "'key=split:config,value=shop'`" in text
    )


def test_the_remedy_for_a_monolith_without_autoscaling_records_none():
    text = remedy(monolith(0, scaling=None), cart_rule(100), action=KeepDefault())
    assert "'key=split:scaling,value=none'" in text


@pytest.mark.parametrize(
    ("rule", "action"),
    [(TO_CART, ForwardTo(service="cart")), (NOT_FOUND, FixedResponse())],
    ids=["forward", "fixed response"],
)
def test_the_remedy_names_the_rules_that_the_drain_may_have_taken_over(rule, action):
    text = remedy(monolith(0), cart_rule(100), rule, action=action)
    assert (
        "if the default action forwarded to it before, record that with `aws elbv2 add-tags "
        "--resource-arns arn:listener --tags Key=split:taken-over,Value=shop`" in text
    )


def test_what_the_remedy_records_is_what_a_rollback_restores():
    tags = SizeRecord(4, ON).tags
    assert remedy(monolith(0, **tags), cart_rule(100), action=KeepDefault()) is None
