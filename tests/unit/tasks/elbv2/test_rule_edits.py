"""What somebody else has changed of a rule of this tool's, as DescribeRules shows it."""

import pytest

from config.errors import TrafficConflict
from tasks.aws.change import Conflict, NoChange, Update
from tasks.aws.tags import Owner
from tasks.elbv2.path_rule import desired_path_rules
from tasks.elbv2.rule import compare_rule
from tasks.elbv2.rule_matching import DEFAULT_PRIORITY, Rule, weighted_forward
from tasks.elbv2.rules.edits import FORM, edited
from tasks.elbv2.rules.precedence import overtaken
from tasks.elbv2.weights import check_unchanged, service_share

MONOLITH, CART, OTHER = "arn:shop-web-tg", "arn:cart-tg", "arn:other-tg"
OWNER = Owner("shop", "cart")
(DESIRED,) = desired_path_rules(("/cart*", "/basket"), OWNER)
ACTIONS = weighted_forward({MONOLITH: 100, CART: 0})
TAGS = DESIRED.tags_when_created(ACTIONS, 50)
OLD_TAGS = {name: TAGS[name] for name in TAGS if name not in (FORM, "split:priority")}
DEFAULT = Rule("arn:default", DEFAULT_PRIORITY, (), tuple(weighted_forward({MONOLITH: 1})))

PATHS = {
    "Field": "path-pattern",
    "Values": ["/basket", "/cart*"],
    "PathPatternConfig": {"Values": ["/basket", "/cart*"], "RegexValues": []},
}
"""As AWS describes the condition: in both forms, in an order of its own."""
GET = {
    "Field": "http-request-method",
    "Values": [],
    "HttpRequestMethodConfig": {"Values": ["GET"]},
}
HOST = {
    "Field": "host-header",
    "Values": ["a.example"],
    "HostHeaderConfig": {"Values": ["a.example"]},
}
REGEX = {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/cart/[0-9]+$"]}}
REWRITE = {
    "Type": "url-rewrite",
    "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/cart", "Replace": "/"}]},
}
OIDC = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"Issuer": "https://i"}}


def forward(*groups, sticky=False):
    """A forward as AWS describes it."""
    named = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in groups]
    stickiness = {"Enabled": sticky, **({"DurationSeconds": 60} if sticky else {})}
    config = {"TargetGroups": named, "TargetGroupStickinessConfig": stickiness}
    return {"Type": "forward", "Order": 1, "ForwardConfig": config}


SHARED = forward((MONOLITH, 100), (CART, 0))


def rule(conditions=(PATHS,), actions=(SHARED,), tags=TAGS, priority=50, **more):
    return Rule("arn:rule", priority, tuple(conditions), tuple(actions), tags, **more)


@pytest.mark.parametrize("tags", [TAGS, OLD_TAGS], ids=["recorded", "of an older version"])
def test_a_rule_as_aws_describes_what_was_written_is_unchanged(tags):
    assert edited(rule(tags=tags)) is None
    assert compare_rule(DESIRED, rule(tags=tags)) == NoChange()


def test_other_weights_are_no_edit_of_the_rule():
    assert edited(rule(actions=[forward((CART, 70), (MONOLITH, 30))])) is None


EDITS = [
    pytest.param({"conditions": [PATHS, GET]}, "http-request-method GET", id="method"),
    pytest.param({"conditions": [PATHS, HOST]}, "host-header a.example", id="host"),
    pytest.param({"conditions": [REGEX]}, "path-pattern regex ^/cart/[0-9]+$", id="regex"),
    pytest.param({"conditions": [PATHS, {"Field": "moon"}]}, "condition moon", id="new kind"),
    pytest.param({"actions": [OIDC, SHARED]}, "action authenticate-oidc", id="login"),
    pytest.param(
        {"actions": [forward((MONOLITH, 100), (CART, 0), (OTHER, 1))]}, OTHER, id="third group"
    ),
    pytest.param(
        {"actions": [forward((MONOLITH, 100), (CART, 0), sticky=True)]},
        "group stickiness",
        id="stickiness",
    ),
    pytest.param({"transforms": (REWRITE,)}, "transform url-rewrite", id="rewrite"),
    pytest.param({"unknown": ("Schedule",)}, "attribute Schedule", id="new attribute"),
]


@pytest.mark.parametrize("tags", [TAGS, OLD_TAGS], ids=["recorded", "of an older version"])
@pytest.mark.parametrize(("edit", "words"), EDITS)
def test_a_rule_that_somebody_edited_is_a_conflict_that_names_the_edit(edit, words, tags):
    change = compare_rule(DESIRED, rule(**edit, tags=tags))
    assert isinstance(change, Conflict)
    assert words in change.reason
    assert "of service cart is not as this tool left it" in change.reason


@pytest.mark.parametrize(("edit", "words"), EDITS)
def test_no_weight_is_written_on_a_rule_that_somebody_edited(edit, words):
    with pytest.raises(TrafficConflict, match="is not as this tool left it") as caught:
        check_unchanged(rule(**edit), CART)
    assert words in str(caught.value)


def test_other_paths_than_were_written_are_a_conflict_with_the_command_that_restores_them():
    other = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/cart/v2*"]}}
    change = compare_rule(DESIRED, rule([other]))
    assert isinstance(change, Conflict)
    assert "conditions that are now /cart/v2*" in change.reason
    assert "aws elbv2 modify-rule --rule-arn arn:rule --conditions '" in change.reason
    assert '["/cart*", "/basket"]' in change.reason


def test_paths_that_this_tool_wrote_follow_the_config():
    (before,) = desired_path_rules(("/cart*",), OWNER)
    old = {"Field": "path-pattern", "Values": ["/cart*"]}
    change = compare_rule(DESIRED, rule([old], tags=before.tags_when_created(ACTIONS, 50)))
    assert change == Update({"path-pattern": (["/cart*"], ["/basket", "/cart*"])})


def test_another_group_in_the_place_of_the_monoliths_is_a_conflict():
    change = compare_rule(DESIRED, rule(actions=[forward((OTHER, 100), (CART, 0))]))
    assert isinstance(change, Conflict)
    assert "target groups that are now arn:other-tg, arn:cart-tg" in change.reason


def test_a_rule_that_logs_users_in_is_not_overwritten_by_a_rollback():
    assert service_share(rule(actions=[OIDC, SHARED]), MONOLITH, CART) is None


def others(priority, *conditions, to=OTHER, tags=None):
    return Rule(
        f"arn:rule/{priority}",
        priority,
        conditions,
        tuple(weighted_forward({to: 1})),
        tags or {},
    )


LEGACY = {"Field": "path-pattern", "Values": ["/cart/legacy*"]}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(others(10, LEGACY), id="for some of its paths"),
        pytest.param(others(10, PATHS, HOST, to=MONOLITH), id="for the monolith"),
        pytest.param(others(10, REGEX, to=MONOLITH), id="with a regex for the monolith"),
    ],
)
def test_a_rule_that_came_before_it_is_a_conflict(other):
    text = overtaken(rule(), [other, rule(), DEFAULT], MONOLITH)
    assert text.startswith(f"{other.label} now comes before rule 50 (/basket, /cart*)")


def test_a_rule_that_was_moved_behind_another_host_s_is_a_conflict():
    between = others(60, PATHS, HOST)
    assert overtaken(rule(), [rule(), between, DEFAULT], MONOLITH) is None
    assert overtaken(rule(priority=90), [between, rule(priority=90), DEFAULT], MONOLITH)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(others(10, PATHS, HOST), id="that was there, for another host"),
        pytest.param(others(10, {"Field": "path-pattern", "Values": ["/img*"]}), id="elsewhere"),
        pytest.param(others(60, PATHS, to=MONOLITH), id="behind it"),
        pytest.param(others(10, LEGACY, to=CART), id="for the same service"),
        pytest.param(others(10, PATHS, tags=DESIRED.tags), id="of the same service"),
    ],
)
def test_other_rules_take_nothing_from_it(other):
    assert overtaken(rule(), [other, rule(), DEFAULT], MONOLITH) is None
