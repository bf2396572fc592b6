"""Listener rules: what is desired, and where a new one belongs."""

import pytest

from tasks.aws.change import Create, NoChange, Update
from tasks.aws.tags import SERVICE, Owner
from tasks.elbv2.path_rule import WEIGHTS, desired_path_rules, desired_preview_rules
from tasks.elbv2.rule import compare_rule
from tasks.elbv2.rule_matching import (
    CHUNK,
    DEFAULT_PRIORITY,
    PATH,
    PREVIEW,
    ROLE,
    Rule,
    own_rules,
    weighted_forward,
)
from tasks.elbv2.rule_priority import choose_priority, place_rule

OWNER = Owner(split="forum", service="users")
MONOLITH, USERS, OTHER = "arn:monolith", "arn:users", "arn:other"
SEVEN = tuple(f"/{number}" for number in range(7))
(DESIRED,) = desired_path_rules(("/api/users*",), OWNER)


def rule(priority=5, patterns=("/api/users*",), weights=None, tags=None):
    conditions = ({"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}},)
    actions = tuple(weighted_forward(weights or {MONOLITH: 1}))
    return Rule(
        f"arn:rule/{priority}",
        priority,
        conditions,
        actions,
        DESIRED.tags if tags is None else tags,
    )


DEFAULT = Rule("arn:default", DEFAULT_PRIORITY, (), tuple(weighted_forward({MONOLITH: 1})))


def test_a_path_rule_holds_at_most_five_patterns():
    assert [len(desired.patterns) for desired in desired_path_rules(SEVEN, OWNER)] == [5, 2]


def test_a_preview_rule_holds_at_most_four_patterns_and_its_header():
    found = desired_preview_rules(SEVEN, OWNER, PREVIEW, ("x-split", "secret"))
    assert [len(desired.patterns) for desired in found] == [4, 3]


def test_a_preview_rule_matches_path_and_header():
    (found,) = desired_preview_rules(("/a",), OWNER, PREVIEW, ("x-split", "secret"))
    assert found.conditions == [
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a"]}},
        {
            "Field": "http-header",
            "HttpHeaderConfig": {"HttpHeaderName": "x-split", "Values": ["secret"]},
        },
    ]


def test_a_rules_tags_name_its_owner_role_and_chunk():
    assert desired_path_rules(SEVEN, OWNER)[1].tags == OWNER.tags | {ROLE: PATH, CHUNK: "1"}


def test_own_rules_are_found_by_chunk():
    first, second = (
        rule(index, tags=desired.tags)
        for index, desired in enumerate(desired_path_rules(SEVEN, OWNER))
    )
    assert own_rules([second, first], OWNER, PATH) == {0: first, 1: second}


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({}, id="no tags"),
        pytest.param(DESIRED.tags | {SERVICE: "posts"}, id="another service's"),
        pytest.param(DESIRED.tags | {ROLE: PREVIEW}, id="another role's"),
        pytest.param(DESIRED.tags | {"split:config": "shop"}, id="another split's"),
    ],
)
def test_rules_of_others_are_not_own(tags):
    assert own_rules([rule(tags=tags)], OWNER, PATH) == {}


def test_with_adopt_another_splits_rules_of_the_service_are_own():
    other = rule(tags=DESIRED.tags | {"split:config": "shop"})
    assert own_rules([other], Owner(split="forum", service="users", adopt=True), PATH) == {0: other}


def test_even_with_adopt_a_rule_that_this_tool_did_not_make_is_not_own():
    tags = {SERVICE: "users", ROLE: PATH}
    assert (
        own_rules([rule(tags=tags)], Owner(split="forum", service="users", adopt=True), PATH) == {}
    )


def test_a_missing_rule_is_created():
    assert compare_rule(DESIRED, None) == Create()


def test_a_rule_as_desired_is_no_change_whatever_its_weights():
    assert compare_rule(DESIRED, rule(weights={MONOLITH: 30, USERS: 70})) == NoChange()


def test_a_further_tag_is_no_change():
    assert (
        compare_rule(DESIRED, rule(tags=DESIRED.tags | {WEIGHTS: "0:10", "team": "blue"}))
        == NoChange()
    )


def test_a_rule_for_other_paths_is_updated():
    assert compare_rule(DESIRED, rule(patterns=("/old",))) == Update(
        {"path-pattern": (["/old"], ["/api/users*"])}
    )


def test_a_new_rule_comes_before_the_rule_for_the_monolith():
    assert place_rule([rule(40, ("/api/*",), tags={}), DEFAULT], DESIRED, MONOLITH) == (0, 40)


def test_a_new_rule_comes_before_the_default_action_where_nothing_else_matches():
    assert place_rule([rule(40, ("/img/*",), tags={}), DEFAULT], DESIRED, MONOLITH) == (
        0,
        DEFAULT_PRIORITY,
    )


def test_a_new_rule_comes_after_rules_of_others_before_the_monoliths():
    rules = [
        rule(10, ("/api/users/legacy",), {OTHER: 1}, {}),
        rule(40, ("/api/*",), tags={}),
        DEFAULT,
    ]
    assert place_rule(rules, DESIRED, MONOLITH) == (10, 40)


def test_a_preview_rule_wins_over_the_services_own_path_rule():
    (preview,) = desired_preview_rules(("/api/users*",), OWNER, PREVIEW, ("x-split", "secret"))
    rules = [rule(20, weights={MONOLITH: 100, USERS: 0}), rule(40, ("/api/*",), tags={}), DEFAULT]
    assert place_rule(rules, preview, MONOLITH) == (0, 20)


@pytest.mark.parametrize(
    ("end", "expected"), [(2, 1), (4, 3), (40, 30), (99, 74), (DEFAULT_PRIORITY, 37501)]
)
def test_a_path_rule_leaves_three_quarters_of_the_room_before_it(end, expected):
    rules = [rule(end, ("/api/*",), tags={}) if end < DEFAULT_PRIORITY else DEFAULT]
    assert choose_priority(rules, DESIRED, MONOLITH) == expected


def test_a_preview_rule_takes_the_priority_before_the_path_rule():
    (preview,) = desired_preview_rules(("/api/users*",), OWNER, PREVIEW, ("x-split", "secret"))
    rules = [rule(20, weights={MONOLITH: 100, USERS: 0}), rule(40, ("/api/*",), tags={}), DEFAULT]
    assert choose_priority(rules, preview, MONOLITH) == 19


def test_no_priority_is_free_before_the_first():
    assert choose_priority([rule(1, ("/api/*",), tags={}), DEFAULT], DESIRED, MONOLITH) is None
