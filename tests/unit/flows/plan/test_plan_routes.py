"""Who answers each path of a listener: what its rules say, in words."""

import pytest

from flows.plan.routes import RouteAnswer, path_owners
from tasks.elbv2.rule_matching import (
    CONTROL,
    DEFAULT_PRIORITY,
    LOCK,
    PATH,
    PREVIEW,
    ROLE,
    Rule,
    weighted_forward,
)

GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup"
MONOLITH, USERS, OTHER = f"{GROUP}/forum-tg/1", f"{GROUP}/users-tg/2", f"{GROUP}/billing-tg/3"
NAMES = {MONOLITH: "forum", USERS: "users"}


def rule(priority, *patterns, weights=None, actions=None, role=None, header=None):
    conditions = [{"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}}]
    if header:
        conditions.append(
            {
                "Field": "http-header",
                "HttpHeaderConfig": {"HttpHeaderName": header, "Values": ["x"]},
            }
        )
    actions = actions or weighted_forward(weights or {MONOLITH: 1})
    tags = {ROLE: role} if role else {}
    return Rule(f"arn:rule/{priority}", priority, tuple(conditions), tuple(actions), tags)


DEFAULT = Rule("arn:default", DEFAULT_PRIORITY, (), tuple(weighted_forward({MONOLITH: 1})))


def owners(*rules, wanted=None):
    return path_owners(
        {"/api/users*": "users"} if wanted is None else wanted, [*rules, DEFAULT], NAMES
    )


def test_a_path_without_a_rule_of_its_own_is_the_default_action_s():
    (found, _) = owners()
    assert found.answers == (
        RouteAnswer(rule="the default action", shares={"forum": 100}, only_some=False),
    )


def test_weights_are_told_in_percent():
    found, *_ = owners(rule(5, "/api/users*", weights={MONOLITH: 3, USERS: 1}, role=PATH))
    assert found.answers[0].shares == {"forum": 75, "users": 25}


def test_a_group_of_weight_0_gets_nothing():
    found, *_ = owners(rule(5, "/api/users*", weights={MONOLITH: 100, USERS: 0}, role=PATH))
    assert found.answers[0].shares == {"forum": 100}


def test_a_rule_whose_weights_are_all_0_is_nobody_s():
    found, *_ = owners(rule(5, "/api/users*", weights={USERS: 0}, role=PATH))
    assert found.answers[0].shares == {"nobody": 100}


def test_a_rule_before_it_that_takes_longer_paths_takes_some():
    found, *_ = owners(
        rule(4, "/api/users/1"), rule(5, "/api/users*", weights={USERS: 1}, role=PATH)
    )
    assert [(answer.shares, answer.only_some) for answer in found.answers] == [
        ({"forum": 100}, True),
        ({"users": 100}, False),
    ]


def test_a_rule_that_asks_for_a_header_takes_some():
    found, *_ = owners(rule(4, "/api/*", header="X-Beta", weights={OTHER: 1}))
    assert [answer.only_some for answer in found.answers] == [True, False]


def test_rules_behind_the_one_that_takes_everything_do_not_count():
    found, *_ = owners(rule(5, "/api*"), rule(6, "/api/users*", weights={USERS: 1}, role=PATH))
    assert [answer.rule for answer in found.answers] == ["rule 5 (/api*)"]


@pytest.mark.parametrize("role", [PREVIEW, CONTROL, LOCK])
def test_rules_that_a_run_makes_for_itself_answer_no_user(role):
    found = owners(rule(1, "/api/users*", weights={USERS: 1}, role=role))
    assert [item.path for item in found] == ["/api/users*", "*"]


def test_other_rules_of_the_listener_are_told_once_each():
    found = owners(rule(9, "/shop*"), rule(5, "/api/users*", weights={USERS: 1}, role=PATH))
    assert [(item.path, item.wanted) for item in found] == [
        ("/api/users*", "users"),
        ("/shop*", None),
        ("*", None),
    ]


def test_a_target_group_of_somebody_else_s_goes_by_its_name():
    found = owners(rule(9, "/shop*", weights={OTHER: 1}), wanted={})
    assert found[0].answers[0].shares == {"target group billing-tg": 100}


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}},
            "fixed response 404",
        ),
        ({"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301"}}, "redirect"),
    ],
)
def test_a_rule_that_forwards_to_nobody_says_what_it_does(action, words):
    found = owners(rule(9, "/old*", actions=[action]), wanted={})
    assert found[0].answers[0].shares == {words: 100}
