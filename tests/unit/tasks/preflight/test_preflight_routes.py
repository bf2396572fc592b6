"""Whether path patterns can be taken over, by config and rules alone."""

import pytest

from config.service import ServiceConfig
from config.split import SplitConfig
from tasks.aws.tags import Owner
from tasks.elbv2.path_rule import desired_path_rules
from tasks.elbv2.rule_matching import (
    DEFAULT_PRIORITY,
    LOCK,
    ROLE,
    Rule,
    path_condition,
    weighted_forward,
)
from tasks.elbv2.rule_priority import place_rule
from tasks.preflight.finding import errors, warnings
from tasks.preflight.rules.priorities import lint_priorities
from tasks.preflight.rules.routes import Claim, lint_overlaps, lint_owners, lint_patterns

MONOLITH, OTHER, USERS = "arn:monolith", "arn:other", "arn:users"


def service(*patterns, name="users"):
    return ServiceConfig(name=name, path_patterns=patterns, image=f"{name}:1")


def claim(*patterns, name="users", place=0, adopt=False):
    return Claim(
        f"services[{place}]", service(*patterns, name=name), Owner("forum", name, adopt=adopt)
    )


def rule(priority, *patterns, to=None, host=None, tags=None, action=None):
    conditions = (
        [{"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}}]
        if patterns
        else []
    )
    if host:
        conditions.append({"Field": "host-header", "HostHeaderConfig": {"Values": [host]}})
    actions = (action,) if action else tuple(weighted_forward(to or {MONOLITH: 1}))
    return Rule(f"arn:rule/{priority}", priority, tuple(conditions), actions, tags or {})


def own(priority, *patterns, name="users", split="forum", weight=0):
    (desired,) = desired_path_rules(patterns, Owner(split, name))
    return rule(priority, *patterns, to={MONOLITH: 100 - weight, USERS: weight}, tags=desired.tags)


DEFAULT = rule(DEFAULT_PRIORITY)
ELSEWHERE = rule(DEFAULT_PRIORITY, to={OTHER: 1})
NOWHERE = rule(
    DEFAULT_PRIORITY,
    action={"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}},
)


def owners(asked, *rules):
    return list(lint_owners(asked, rules, "monolith", MONOLITH))


def priorities(*rules, claims=None, max_parallel=4):
    return errors(lint_priorities(claims or [claim("/api/users*")], rules, MONOLITH, max_parallel))


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([DEFAULT], id="by the default action"),
        pytest.param([rule(99, "/api*"), ELSEWHERE], id="by a rule"),
        pytest.param([rule(98, "/api/users/1"), rule(99, "/api*"), ELSEWHERE], id="by two rules"),
        pytest.param(
            [rule(5, "/img/*", to={OTHER: 1}), DEFAULT], id="beside a rule for other paths"
        ),
        pytest.param(
            [rule(100, "/api/users*", to={OTHER: 1}), rule(99, "/api*"), DEFAULT],
            id="before a rule",
        ),
        pytest.param([rule(5, "/API/users*", to={OTHER: 1}), DEFAULT], id="in another case"),
        pytest.param(
            [rule(5, "/api/users*", to={MONOLITH: 1, OTHER: 0}), ELSEWHERE],
            id="with all the weight",
        ),
        pytest.param([rule(5, host="a.example"), DEFAULT], id="for a host, and for all others"),
    ],
)
def test_patterns_that_only_the_monolith_answers_can_be_taken_over(rules):
    assert owners(claim("/api/users*"), *rules) == []


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([ELSEWHERE], "answered by the default action, not by monolith"),
        ([NOWHERE], "answered by the default action"),
        ([rule(5, "/api/users*", to={OTHER: 1}), DEFAULT], "answered by rule 5 (/api/users*)"),
        ([rule(5, "/*", action={"Type": "redirect"}), DEFAULT], "answered by rule 5 (/*)"),
        (
            [rule(5, "/api/users/1", to={OTHER: 1}), DEFAULT],
            "partly answered by rule 5 (/api/users/1)",
        ),
        (
            [rule(5, "/api/user?/*", to={OTHER: 1}), DEFAULT],
            "partly answered by rule 5 (/api/user?/*)",
        ),
        ([rule(5, "/api*", to={MONOLITH: 1, OTHER: 1}), DEFAULT], "answered by rule 5 (/api*)"),
        ([rule(99, "/api/users/*"), ELSEWHERE], "partly answered by the default action"),
        # The new rule comes before the monolith's, and would take the other hosts' requests as
        # well.
        ([rule(50, host="a.example"), ELSEWHERE], "partly answered by the default action"),
        (
            [rule(50, host="a.example"), rule(60, host="b.example", to={OTHER: 1}), DEFAULT],
            "by rule 60 (host-header b.example)",
        ),
    ],
)
def test_patterns_that_others_answer_are_an_error_with_their_rule(rules, words):
    (line,) = errors(owners(claim("/api/users*"), *rules))
    assert line.startswith("services[0].path_patterns[0]: '/api/users*' is ")
    assert words in line


def test_a_rule_for_another_host_that_goes_first_is_a_warning():
    found = owners(claim("/api/users*"), rule(5, host="admin.example", to={OTHER: 1}), DEFAULT)
    assert errors(found) == []
    assert (
        "partly answered by rule 5 (host-header admin.example), which has other conditions"
        in warnings(found)[0]
    )


REGEX = {
    "Field": "path-pattern",
    "PathPatternConfig": {"RegexValues": ["^/cart/[0-9]+/invoice$"]},
}


def unclear(priority, *conditions, to=OTHER, **more):
    """A rule as DescribeRules gives it."""
    actions = tuple(weighted_forward({to: 1}))
    return Rule(f"arn:rule/{priority}", priority, conditions, actions, **more)


UNCLEAR = [
    pytest.param(REGEX, "path-pattern regex ^/cart/[0-9]+/invoice$", id="path regex"),
    pytest.param(
        {"Field": "path-pattern", "RegexValues": ["^/cart"]},
        "path-pattern regex ^/cart",
        id="path regex in the older form",
    ),
    pytest.param(
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/x"], "RegexValues": ["/c"]}},
        "path-pattern /x, regex /c",
        id="path pattern or regex",
    ),
    pytest.param(
        {"Field": "host-header", "HostHeaderConfig": {"RegexValues": ["^(a|b)[.]example$"]}},
        "host-header regex ^(a|b)[.]example$",
        id="host regex",
    ),
    pytest.param(
        {
            "Field": "http-header",
            "HttpHeaderConfig": {"HttpHeaderName": "X-Beta", "RegexValues": ["^secret$"]},
        },
        "http-header X-Beta)",
        id="header regex, whose value may be a secret",
    ),
    pytest.param(
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}},
        "query-string v=2",
        id="query string",
    ),
    pytest.param(
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
        "source-ip 10.0.0.0/8",
        id="source address",
    ),
    pytest.param({"Field": "moon-phase", "MoonConfig": {"Full": True}}, "moon-phase", id="new"),
    pytest.param(
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/x*"], "Negate": True}},
        "path-pattern /x*, Negate",
        id="new attribute of a known kind",
    ),
]


@pytest.mark.parametrize(("condition", "words"), UNCLEAR)
def test_a_rule_that_may_match_everything_is_named_and_keeps_its_place(condition, words):
    other = unclear(80, condition)
    rules = [other, rule(99, "/cart*"), ELSEWHERE]
    (line,) = warnings(owners(claim("/cart*"), *rules))
    assert "'/cart*' is partly answered by rule 80 (" in line
    assert words in line
    (desired,) = desired_path_rules(("/cart*",), Owner("forum", "cart"))
    after, before = place_rule(rules, desired, MONOLITH)
    assert (after, before) == (80, 99)


@pytest.mark.parametrize(("condition", "words"), UNCLEAR)
def test_a_rule_that_may_match_everything_is_never_overtaken(condition, words):
    rules = [rule(60, "/cart/a*"), unclear(80, condition), DEFAULT]
    (line,) = errors(owners(claim("/cart*"), *rules))
    assert words in line
    assert "only the monolith's requests are moved" in line


REWRITE = {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": []}}
STICKY = {
    "Type": "forward",
    "ForwardConfig": {
        "TargetGroups": [{"TargetGroupArn": MONOLITH, "Weight": 1}],
        "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60},
    },
}


@pytest.mark.parametrize(
    ("answering", "words"),
    [
        (
            unclear(99, path_condition("/api*"), to=MONOLITH, transforms=(REWRITE,)),
            "rewrites requests (url-rewrite)",
        ),
        (
            unclear(
                99,
                path_condition("/api*"),
                to=MONOLITH,
                transforms=({"Type": "host-header-rewrite"},),
            ),
            "rewrites requests (host-header-rewrite)",
        ),
        (rule(99, "/api*", action=STICKY), "has group stickiness"),
        (
            unclear(99, path_condition("/api*"), to=MONOLITH, unknown=("Schedule",)),
            "whose attribute Schedule this version does not understand",
        ),
    ],
)
def test_what_a_path_rule_would_drop_of_the_monoliths_rule_is_an_error(answering, words):
    lines = errors(owners(claim("/api/users*"), answering, DEFAULT))
    assert words in lines[0]
    assert "'/api/users*' is answered by rule 99 (/api*)" in lines[0]


def test_a_services_own_rule_is_no_finding():
    assert owners(claim("/api/users*"), own(5, "/api/users*", weight=50), ELSEWHERE) == []


def test_another_splits_rule_is_named_with_its_split():
    (line,) = errors(
        owners(claim("/api/users*"), own(5, "/api/users*", split="shop", weight=100), DEFAULT)
    )
    assert "answered by rule 5 (/api/users*) of service users of split 'shop'" in line


def test_another_splits_rule_may_be_adopted():
    assert (
        owners(
            claim("/api/users*", adopt=True),
            own(5, "/api/users*", split="shop", weight=100),
            DEFAULT,
        )
        == []
    )


def test_every_pattern_is_checked():
    asked = claim(*(f"/{number}/*" for number in range(7)))
    lines = errors(owners(asked, rule(5, "/0/*", "/6/*", to={OTHER: 1}), DEFAULT))
    assert [line.partition(":")[0] for line in lines] == [
        f"services[0].path_patterns[{place}]" for place in (0, 6)
    ]


def patterns(asked, *rules):
    return list(lint_patterns(asked, rules, MONOLITH))


def test_a_pattern_that_misses_its_bare_path_is_a_warning():
    found = patterns(claim("/api/users/*"), DEFAULT)
    assert errors(found) == []
    assert "'/api/users/*' does not match '/api/users' itself" in warnings(found)[0]


@pytest.mark.parametrize("beside", ["/api/users", "/api/user?", "/api/users*"])
def test_a_bare_path_that_another_pattern_matches_is_not_missed(beside):
    assert not any(
        "itself" in line for line in warnings(patterns(claim("/api/users/*", beside), DEFAULT))
    )


@pytest.mark.parametrize("pattern", ["/*", "/api/users*", "/api/users"])
def test_a_pattern_without_a_bare_path_misses_none(pattern):
    assert patterns(claim(pattern), DEFAULT) == []


def test_a_pattern_in_another_case_than_the_monoliths_is_a_warning():
    (line,) = warnings(patterns(claim("/API/users*"), rule(99, "/api*"), NOWHERE))
    assert (
        "'/API/users*' differs from '/api*' of rule 99 (/api*) in upper and lower case only" in line
    )


def test_case_does_not_matter_where_the_monolith_has_every_path():
    assert patterns(claim("/API/users*"), DEFAULT) == []


def test_a_redundant_pattern_is_a_warning():
    (line,) = warnings(patterns(claim("/api/users*", "/api/users/1"), DEFAULT))
    assert line.startswith(
        "services[0].path_patterns[1]: '/api/users/1' adds nothing to '/api/users*'"
    )


def test_of_two_equal_patterns_one_is_a_warning():
    assert len(warnings(patterns(claim("/a**", "/a*"), DEFAULT))) == 1


def test_more_wildcards_than_elbv2_allows_in_a_rule_are_an_error():
    (line,) = errors(patterns(claim("/a/*/*", "/b/*/*", "/c/*/*", "/d/*"), DEFAULT))
    assert "7 wildcards, and ELBv2 allows 6" in line


def config(*services):
    return SplitConfig(
        name="forum",
        aws={"region": "eu-central-1"},
        cluster="c",
        monolith={"service": "m"},
        services=services,
    )


@pytest.mark.parametrize(
    ("one", "other"), [("/api/*", "/api/users*"), ("/a*", "/*c"), ("/a?c", "/ab*")]
)
def test_services_that_claim_the_same_paths_are_an_error(one, other):
    (line,) = errors(lint_overlaps(config(service(one), service(other, name="posts"))))
    assert f"{one!r} of users and {other!r} of posts match the same paths" in line


def test_an_overlap_comes_with_a_path_that_both_match():
    (line,) = errors(lint_overlaps(config(service("/api/*"), service("/api/users*", name="posts"))))
    assert "e.g. /api/users" in line


def test_services_with_paths_of_their_own_do_not_overlap():
    assert (
        lint_overlaps(
            config(service("/api/users*"), service("/api/posts*", "/API/users", name="posts"))
        )
        == []
    )


def test_there_is_room_before_the_monoliths_rule():
    assert priorities(rule(99, "/api*"), DEFAULT) == []


def test_a_service_needs_three_priorities_before_the_monoliths_rule():
    assert priorities(rule(4, "/api*"), DEFAULT) == []


def test_a_gap_of_two_priorities_is_too_small():
    (line,) = priorities(rule(3, "/api*"), DEFAULT)
    assert line.startswith(
        "services[0].path_patterns: users needs 3 free rule priorities after 0 and before 3"
    )


def test_no_gap_at_all_is_too_small():
    (line,) = priorities(rule(1, "/api*"), DEFAULT)
    assert "after 0 and before 1" in line
    assert "move rule 1 to a higher priority number" in line


def test_services_in_parallel_need_room_for_their_preview_and_control_rules_at_once():
    claims = [
        claim(f"/api/{name}*", name=name, place=place)
        for place, name in enumerate(("users", "posts"))
    ]
    assert priorities(rule(6, "/api*"), DEFAULT, claims=claims) != []


def test_services_in_turn_share_the_room_for_preview_and_control_rules():
    claims = [
        claim(f"/api/{name}*", name=name, place=place)
        for place, name in enumerate(("users", "posts"))
    ]
    assert priorities(rule(8, "/api*"), DEFAULT, claims=claims, max_parallel=1) == []


def test_an_existing_rule_needs_no_room():
    before = own(3, "/api/users*")
    assert priorities(before, rule(4, "/api*"), DEFAULT) == []


def test_the_locks_priority_must_be_free():
    (line,) = priorities(rule(50_000, "/img*", to={OTHER: 1}), DEFAULT)
    assert "listener: priority 50000 is taken by rule 50000 (/img*)" in line


def test_a_runs_lock_is_no_finding():
    assert priorities(rule(50_000, "/lock", tags={ROLE: LOCK}), DEFAULT) == []
