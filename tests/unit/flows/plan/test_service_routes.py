"""The listener rules that a service needs, and the weight that its own rules give it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from config.service import ServiceConfig
from config.traffic import Linear, Traffic
from flows.plan.routes import ServiceRoutes
from tasks.aws.change import Conflict, Create, NoChange, Update
from tasks.aws.tags import Owner
from tasks.elbv2.path_rule import WEIGHTS
from tasks.elbv2.rule import desired_path_rules, desired_preview_rules
from tasks.elbv2.rule_matching import PREVIEW, Rule, path_condition, weighted_forward
from tasks.state.service import ServiceState

GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup"
MONOLITH, USERS, OTHER = f"{GROUP}/forum-tg/1", f"{GROUP}/users-tg/2", f"{GROUP}/other-tg/3"
OWNER = Owner(split="forum", service="users")
CONFIG = SimpleNamespace(traffic_of=lambda _: Traffic(shift=Linear(step=25)))
GET = {
    "Field": "http-request-method",
    "HttpRequestMethodConfig": {"Values": ["GET"]},
}
FIVE = ("/a", "/b", "/c", "/d", "/e")
"""As many as one rule has."""


def forward(weight):
    return weighted_forward({MONOLITH: 100 - weight, USERS: weight})


def rules_of(patterns, *actions):
    """The service's rules, made for other patterns than it may have now."""
    wanted = desired_path_rules(patterns, OWNER)
    return tuple(
        Rule(
            f"arn:rule/{rule.chunk}",
            10 + rule.chunk,
            tuple(rule.conditions),
            tuple(action),
            {**rule.tags, WEIGHTS: str(action[0]["ForwardConfig"]["TargetGroups"][-1]["Weight"])},
        )
        for rule, action in zip(wanted, actions, strict=False)
    )


def routes(patterns, rules):
    state = ServiceState(
        repository=None,
        digest=None,
        log_group=None,
        task_role=None,
        task_definition=None,
        target_group={"TargetGroupArn": USERS},
        health=None,
        rules=rules,
        service=None,
    )
    service = ServiceConfig(name="users", path_patterns=patterns, image="none")
    return ServiceRoutes(CONFIG, service, OWNER, state)


def kinds(found):
    return [type(item.change) for item in found.path_rules()]


@pytest.mark.parametrize("weight", [0, 25, 100])
def test_the_weight_is_that_of_the_rule(weight):
    assert routes(("/a",), rules_of(("/a",), forward(weight))).weight() == weight


def test_without_a_rule_it_gets_nothing():
    assert routes(("/a",), ()).weight() == 0


def test_the_lowest_rule_counts():
    rules = rules_of((*FIVE, "/f"), forward(50), forward(25))
    assert routes((*FIVE, "/f"), rules).weight() == 25


@pytest.mark.parametrize("weight", [25, 100])
def test_a_new_path_in_a_rule_leaves_the_weight(weight):
    found = routes(("/a", "/b"), rules_of(("/a",), forward(weight)))
    assert (kinds(found), found.weight()) == ([Update, Conflict], weight)


def test_a_new_path_that_needs_a_rule_of_its_own_leaves_the_weight():
    found = routes((*FIVE, "/f"), rules_of(FIVE, forward(100)))
    assert (kinds(found), found.weight()) == ([NoChange, Create, Conflict], 100)


def test_a_service_with_all_requests_has_no_steps():
    found = routes(("/a", "/b"), rules_of(("/a",), forward(100)))
    assert (found.steps(found.weight()), found.preview_rules(())) == ((), [])


def test_a_new_path_before_the_first_user_is_no_conflict():
    found = routes(("/a", "/b"), rules_of(("/a",), forward(0)))
    assert (kinds(found), found.weight()) == ([Update], 0)


def test_a_missing_rule_of_a_path_that_another_rule_covers_gives_it_nothing():
    patterns = ("/*", "/b", "/c", "/d", "/e", "/f")
    found = routes(patterns, rules_of(patterns, forward(100)))
    assert (kinds(found), found.weight()) == ([NoChange, Create], 0)


def test_a_rule_that_somebody_else_changed_is_a_conflict_and_gives_it_nothing():
    found = routes(("/a",), rules_of(("/a",), weighted_forward({OTHER: 1})))
    assert (kinds(found), found.weight()) == ([Conflict], 0)


def test_the_steps_go_on_from_the_weight():
    found = routes(("/a",), rules_of(("/a",), forward(50)))
    assert found.steps(found.weight()) == (50, 75, 100)


def left_preview_rule(header):
    """A preview rule that a killed run has left."""
    (wanted,) = desired_preview_rules(("/a",), OWNER, PREVIEW, ("X-Split-Preview", "secret"))
    conditions = wanted.conditions if header else wanted.conditions[:1]
    return Rule("arn:rule", 3, tuple(conditions), tuple(forward(100)), wanted.tags)


def test_a_preview_rule_that_was_opened_to_users_is_a_conflict():
    rules = rules_of(("/a",), forward(100))
    (found,) = routes(("/a",), (*rules, left_preview_rule(header=False))).preview_rules(())
    assert "rule 3 (/a) of service users is not as this tool left it" in found.conflict
    assert "aws elbv2 delete-rule --rule-arn arn:rule" in found.conflict


def test_a_preview_rule_that_a_killed_run_left_is_no_conflict():
    rules = rules_of(("/a",), forward(100))
    found = routes(("/a",), (*rules, left_preview_rule(header=True))).preview_rules(())
    assert [item.conflict for item in found] == [None, None]


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"tags": {WEIGHTS: "0:50"}}, id="weights"),
        pytest.param({"conditions": (path_condition("/a"), GET)}, id="a method condition"),
        pytest.param({"transforms": ({"Type": "url-rewrite"},)}, id="a rewrite"),
    ],
)
def test_an_edit_of_its_rule_is_a_conflict_also_when_it_is_settled(edit):
    (rule,) = rules_of(("/a",), forward(100))
    tags = {**rule.tags, **edit.get("tags", {})}
    found = routes(("/a",), (replace(rule, **{**edit, "tags": tags}),))
    assert kinds(found) == [Conflict]


def test_a_rule_that_came_before_its_rule_is_a_conflict():
    other = Rule("arn:other", 1, (path_condition("/a"),), tuple(weighted_forward({OTHER: 1})))
    found = routes(("/a",), (other, *rules_of(("/a",), forward(100))))
    assert kinds(found) == [Conflict]
