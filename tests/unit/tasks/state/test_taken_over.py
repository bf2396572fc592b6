"""The record of the rules that a drain takes over, on the split's own path rules."""

import pytest

from tasks.elbv2.rule_matching import DEFAULT_PRIORITY, Rule
from tasks.state import taken_over as module
from tasks.state.taken_over import read_taken_over, taken_over_tags

LISTENER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/1/2"
OWN = {"split:managed-by": "ecs-splitter", "split:config": "shop", "split:role": "path"}


def rule(number, **tags):
    return Rule(f"{LISTENER}-rule/{number:016x}", number + 1, (), (), tags)


DEFAULT = Rule(f"{LISTENER}-rule/default", DEFAULT_PRIORITY, (), ())


def path_rule(*taken_over, split="shop"):
    return rule(99, **{**OWN, "split:config": split, **taken_over_tags(taken_over)})


@pytest.fixture
def found(monkeypatch):
    """The rules that are read as taken over; the tags that the drain put on them are gone."""

    def read(*rules):
        monkeypatch.setattr(module.default_action, "read_taken_over", lambda *_: [])
        monkeypatch.setattr(module, "read_rules", lambda *_: list(rules))
        return read_taken_over(None, LISTENER, "shop")

    return read


def test_rules_are_found_when_terraform_has_removed_their_tags(found):
    assert found(rule(1), rule(2), path_rule(rule(1), DEFAULT), DEFAULT) == [rule(1), DEFAULT]


def test_rules_that_another_split_took_over_are_not_found(found):
    assert found(rule(1), path_rule(rule(1), split="forum")) == []


def test_without_a_record_no_rule_is_found(found):
    assert found(rule(1), path_rule(), DEFAULT) == []


def test_many_rules_are_recorded_in_tags_that_elbv2_accepts(found):
    rules = [rule(number) for number in range(40)]
    tags = taken_over_tags(rules)
    assert max(map(len, tags.values())) <= 256
    assert found(*rules, path_rule(*rules)) == rules
