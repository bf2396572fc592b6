"""Which rule of a listener answers a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.elbv2.rule_matching import (
    CONTROL,
    DEFAULT_PRIORITY,
    LAST_PRIORITY,
    LOCK,
    PATH,
    PREVIEW,
    ROLE,
    Rule,
    chunks,
    free_priorities,
    matching_rules,
    receives,
    users_rules,
    weighted_forward,
    weights_of,
)

MONOLITH, USERS = "arn:monolith", "arn:users"


def rule(priority, *patterns, to=MONOLITH, header=None, tags=None):
    conditions = (
        [{"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}}]
        if patterns
        else []
    )
    if header:
        conditions.append(
            {
                "Field": "http-header",
                "HttpHeaderConfig": {"HttpHeaderName": header, "Values": ["1"]},
            }
        )
    actions = tuple(weighted_forward({to: 1}))
    return Rule(f"arn:rule/{priority}", priority, tuple(conditions), actions, tags or {})


def priorities(rules):
    return [found.priority for found in rules]


DEFAULT = rule(DEFAULT_PRIORITY)


def test_no_rule_after_the_first_that_takes_every_path_matches():
    assert priorities(
        matching_rules([DEFAULT, rule(20, "/api/*"), rule(10, "/api/users*")], "/api/users*")
    ) == [10]


def test_a_rule_for_some_of_the_paths_leaves_the_others_to_the_next():
    assert priorities(
        matching_rules([rule(10, "/api/users/1"), rule(20, "/api/*")], "/api/users*")
    ) == [10, 20]


def test_a_rule_for_other_paths_does_not_match():
    assert priorities(matching_rules([rule(10, "/img/*"), DEFAULT], "/api/users*")) == [
        DEFAULT_PRIORITY
    ]


def test_a_rule_with_a_header_condition_leaves_other_requests_to_the_next():
    rules = [rule(10, "/api/*", header="x-beta"), DEFAULT]
    assert priorities(matching_rules(rules, "/api/users*")) == [10, DEFAULT_PRIORITY]


def test_a_rule_without_a_path_condition_matches_every_path():
    assert priorities(matching_rules([rule(10), DEFAULT], "/api/users*")) == [10]


def test_any_of_a_rules_patterns_may_match():
    assert priorities(matching_rules([rule(10, "/img/*", "/api/*"), DEFAULT], "/api/users*")) == [
        10
    ]


def test_patterns_in_elbv2s_older_form_are_read():
    older = Rule("arn:r", 1, ({"Field": "path-pattern", "Values": ["/a", "/b"]},), ())
    assert older.path_patterns == ("/a", "/b")


def test_weights_of_a_weighted_forward_are_read():
    assert weights_of(Rule("arn:r", 1, (), tuple(weighted_forward({MONOLITH: 90, USERS: 10})))) == {
        MONOLITH: 90,
        USERS: 10,
    }


def test_a_plain_forward_has_weight_one():
    assert weights_of(Rule("arn:r", 1, (), ({"Type": "forward", "TargetGroupArn": MONOLITH},))) == {
        MONOLITH: 1
    }


def test_a_redirect_has_no_weights():
    assert weights_of(Rule("arn:r", 1, (), ({"Type": "redirect"},))) == {}


def test_weights_of_a_forward_after_an_authentication_are_read():
    actions = ({"Type": "authenticate-oidc"}, *weighted_forward({MONOLITH: 1}))
    assert weights_of(Rule("arn:r", 1, (), actions)) == {MONOLITH: 1}


@pytest.mark.parametrize(("weight", "expected"), [(0, False), (1, True)])
def test_a_group_of_weight_zero_receives_nothing(weight, expected):
    actions = tuple(weighted_forward({MONOLITH: 100, USERS: weight}))
    assert receives(Rule("arn:r", 1, (), actions), USERS) is expected


def test_a_group_that_the_rule_does_not_name_receives_nothing():
    assert not receives(rule(1, "/a"), USERS)


@pytest.mark.parametrize("role", [PREVIEW, CONTROL, LOCK])
def test_a_runs_own_rules_are_not_for_users(role):
    assert users_rules([rule(1, "/a", tags={ROLE: role})]) == []


def test_path_rules_and_rules_of_others_are_for_users():
    rules = [rule(1, "/a", tags={ROLE: PATH}), rule(2, "/b"), DEFAULT]
    assert users_rules(rules) == rules


def test_a_label_has_priority_and_paths():
    assert rule(99, "/api*", "/x").label == "rule 99 (/api*, /x)"


def test_the_default_rule_has_a_label_of_its_own():
    assert DEFAULT.label == "the default action"


@given(st.sets(st.integers(1, 60)), st.integers(1, 60), st.integers(0, 60))
def test_free_priorities_are_all_unused_ones_in_between(taken, before, after):
    found = free_priorities(taken, before=before, after=after)
    assert found == sorted(set(range(after + 1, before)) - taken)


def test_free_priorities_end_at_elbv2s_last():
    assert free_priorities(range(1, LAST_PRIORITY), before=DEFAULT_PRIORITY) == [LAST_PRIORITY]


@given(st.lists(st.text(max_size=3), max_size=20), st.integers(1, 6))
def test_chunks_hold_every_pattern_once_in_order(patterns, size):
    assert [pattern for chunk in chunks(patterns, size) for pattern in chunk] == patterns


@given(st.lists(st.text(max_size=3), max_size=20), st.integers(1, 6))
def test_chunks_are_full_but_for_the_last(patterns, size):
    assert [len(chunk) for chunk in chunks(patterns, size)[:-1]] == [size] * (
        len(chunks(patterns, size)) - 1 if patterns else 0
    )
