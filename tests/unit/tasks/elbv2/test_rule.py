"""Listener rules: what is wanted, where it belongs, and whose weights they hold."""

import pytest

from config.errors import TrafficConflict
from tasks.aws.change import Create, NoChange, Update
from tasks.aws.tags import SERVICE, Owner
from tasks.elbv2.rule import (
    CHUNK,
    WEIGHTS,
    check_unchanged,
    choose_priority,
    compare_rule,
    desired_path_rules,
    desired_preview_rules,
    own_rules,
    place_rule,
    service_weight,
)
from tasks.elbv2.rule_matching import DEFAULT_PRIORITY, PATH, PREVIEW, ROLE, Rule, weighted_forward

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


def test_a_preview_rule_leaves_a_value_for_its_header():
    found = desired_preview_rules(SEVEN, OWNER, PREVIEW, ("x-split", "secret"))
    assert [len(desired.patterns) for desired in found] == [4, 3]


def test_a_preview_rule_asks_for_path_and_header():
    (found,) = desired_preview_rules(("/a",), OWNER, PREVIEW, ("x-split", "secret"))
    assert found.conditions == [
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a"]}},
        {
            "Field": "http-header",
            "HttpHeaderConfig": {"HttpHeaderName": "x-split", "Values": ["secret"]},
        },
    ]


def test_a_rule_s_tags_name_its_owner_role_and_chunk():
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
        pytest.param({}, id="nobody's"),
        pytest.param(DESIRED.tags | {SERVICE: "posts"}, id="another service's"),
        pytest.param(DESIRED.tags | {ROLE: PREVIEW}, id="another role's"),
        pytest.param(DESIRED.tags | {"split:config": "shop"}, id="another split's"),
    ],
)
def test_other_rules_are_not_own(tags):
    assert own_rules([rule(tags=tags)], OWNER, PATH) == {}


def test_an_adopting_owner_has_another_split_s_rules_of_its_service():
    other = rule(tags=DESIRED.tags | {"split:config": "shop"})
    assert own_rules([other], Owner(split="forum", service="users", adopt=True), PATH) == {0: other}


def test_an_adopting_owner_has_no_rule_that_this_tool_did_not_make():
    tags = {SERVICE: "users", ROLE: PATH}
    assert (
        own_rules([rule(tags=tags)], Owner(split="forum", service="users", adopt=True), PATH) == {}
    )


def test_a_rule_that_is_not_there_is_created():
    assert compare_rule(DESIRED, None) == Create()


def test_a_rule_as_desired_is_no_change_whatever_its_weights():
    assert compare_rule(DESIRED, rule(weights={MONOLITH: 30, USERS: 70})) == NoChange()


def test_a_rule_with_a_tag_of_somebody_s_besides_is_no_change():
    assert (
        compare_rule(DESIRED, rule(tags=DESIRED.tags | {WEIGHTS: "0:10", "team": "blue"}))
        == NoChange()
    )


def test_a_rule_for_other_paths_is_updated():
    assert compare_rule(DESIRED, rule(patterns=("/old",))) == Update(
        {"path-pattern": (["/old"], ["/api/users*"])}
    )


def test_a_new_rule_comes_before_the_rule_that_feeds_the_monolith():
    assert place_rule([rule(40, ("/api/*",), tags={}), DEFAULT], DESIRED, MONOLITH) == (0, 40)


def test_a_new_rule_comes_before_the_default_action_where_nothing_else_matches():
    assert place_rule([rule(40, ("/img/*",), tags={}), DEFAULT], DESIRED, MONOLITH) == (
        0,
        DEFAULT_PRIORITY,
    )


def test_a_new_rule_comes_after_what_somebody_put_before_the_monolith():
    rules = [
        rule(10, ("/api/users/legacy",), {OTHER: 1}, {}),
        rule(40, ("/api/*",), tags={}),
        DEFAULT,
    ]
    assert place_rule(rules, DESIRED, MONOLITH) == (10, 40)


def test_a_preview_rule_wins_over_the_service_s_own_path_rule():
    (preview,) = desired_preview_rules(("/api/users*",), OWNER, PREVIEW, ("x-split", "secret"))
    rules = [rule(20, weights={MONOLITH: 100, USERS: 0}), rule(40, ("/api/*",), tags={}), DEFAULT]
    assert place_rule(rules, preview, MONOLITH) == (0, 20)


@pytest.mark.parametrize(
    ("end", "expected"), [(2, 1), (4, 3), (40, 30), (99, 74), (DEFAULT_PRIORITY, 37501)]
)
def test_a_path_rule_leaves_most_room_before_it_and_some_behind(end, expected):
    rules = [rule(end, ("/api/*",), tags={}) if end < DEFAULT_PRIORITY else DEFAULT]
    assert choose_priority(rules, DESIRED, MONOLITH) == expected


def test_private_rules_take_the_room_next_to_the_path_rule():
    (preview,) = desired_preview_rules(("/api/users*",), OWNER, PREVIEW, ("x-split", "secret"))
    rules = [rule(20, weights={MONOLITH: 100, USERS: 0}), rule(40, ("/api/*",), tags={}), DEFAULT]
    assert choose_priority(rules, preview, MONOLITH) == 19


def test_there_is_no_priority_before_the_first():
    assert choose_priority([rule(1, ("/api/*",), tags={}), DEFAULT], DESIRED, MONOLITH) is None


def test_a_service_s_weight_is_a_percentage():
    assert service_weight(rule(weights={MONOLITH: 3, USERS: 1}), USERS) == 25


@pytest.mark.parametrize(
    "weights", [{MONOLITH: 1}, {MONOLITH: 0, USERS: 0}], ids=["not named", "all zero"]
)
def test_a_rule_that_no_longer_forwards_to_the_service_is_somebody_else_s_doing(weights):
    with pytest.raises(TrafficConflict, match=r"rule 5 .* no longer forwards to arn:users"):
        service_weight(rule(weights=weights), USERS)


@pytest.mark.parametrize("written", ["10:50", "50:10", "10:10"])
def test_a_weight_before_or_after_the_last_write_is_ours(written):
    observed = rule(weights={MONOLITH: 90, USERS: 10}, tags=DESIRED.tags | {WEIGHTS: written})
    assert check_unchanged(observed, USERS) == 10


@pytest.mark.parametrize(
    ("tags", "known"),
    [({WEIGHTS: "10:50"}, "10 or 50"), ({WEIGHTS: "0:0"}, "0"), ({}, "none")],
    ids=["another weight", "none yet", "no tag"],
)
def test_a_weight_that_was_never_written_is_somebody_else_s(tags, known):
    observed = rule(weights={MONOLITH: 70, USERS: 30}, tags=DESIRED.tags | tags)
    with pytest.raises(
        TrafficConflict, match=f"30 %, but this tool last wrote {known}: somebody else changed it"
    ):
        check_unchanged(observed, USERS)
