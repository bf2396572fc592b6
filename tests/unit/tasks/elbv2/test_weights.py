"""The weights of a path rule: the service's share, and whether somebody else changed it."""

import pytest

from config.errors import TrafficConflict
from tasks.elbv2.path_rule import WEIGHTS
from tasks.elbv2.rule_matching import Rule, weighted_forward
from tasks.elbv2.weights import check_unchanged, is_returned, service_share, service_weight

MONOLITH, USERS, OTHER = "arn:monolith", "arn:users", "arn:other"


def rule(weights, tags=None):
    return Rule("arn:rule", 5, (), tuple(weighted_forward(weights)), tags or {})


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        pytest.param({MONOLITH: 100, USERS: 0}, 0, id="none"),
        pytest.param({MONOLITH: 50, USERS: 50}, 50, id="half"),
        pytest.param({MONOLITH: 0, USERS: 100}, 100, id="all"),
        pytest.param({MONOLITH: 1, USERS: 3}, 75, id="somebody else's weights"),
        pytest.param({MONOLITH: 999, USERS: 1}, 1, id="too small to round"),
        pytest.param({MONOLITH: 0, USERS: 0}, 0, id="all weights 0"),
        pytest.param({MONOLITH: 1, OTHER: 0}, 0, id="a third group without a share"),
        pytest.param({MONOLITH: 1, OTHER: 1}, None, id="a third group with a share"),
    ],
)
def test_a_services_share_of_a_rule(weights, share):
    assert service_share(rule(weights), MONOLITH, USERS) == share


def test_a_rule_that_does_not_forward_has_no_share():
    redirect = Rule(
        "arn:rule",
        5,
        (),
        ({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}},),
    )
    assert service_share(redirect, MONOLITH, USERS) is None


@pytest.mark.parametrize(
    ("weights", "returned"),
    [
        pytest.param({MONOLITH: 100, USERS: 0}, True, id="none"),
        pytest.param({MONOLITH: 1}, True, id="by hand"),
        pytest.param({MONOLITH: 999, USERS: 1}, False, id="almost"),
        pytest.param({MONOLITH: 0, USERS: 0}, False, id="all weights 0"),
    ],
)
def test_a_rule_is_returned_when_the_monolith_gets_every_request(weights, returned):
    assert is_returned(rule(weights), MONOLITH) == returned


def test_a_services_weight_is_a_percentage():
    assert service_weight(rule({MONOLITH: 3, USERS: 1}), USERS) == 25


@pytest.mark.parametrize(
    "weights", [{MONOLITH: 1}, {MONOLITH: 0, USERS: 0}], ids=["not named", "all zero"]
)
def test_a_rule_that_no_longer_forwards_to_the_service_is_a_conflict(weights):
    with pytest.raises(TrafficConflict, match=r"rule 5 .* no longer forwards to arn:users"):
        service_weight(rule(weights), USERS)


@pytest.mark.parametrize("written", ["10:50", "50:10", "10:10"])
def test_the_weight_before_or_after_the_last_write_is_unchanged(written):
    observed = rule({MONOLITH: 90, USERS: 10}, {WEIGHTS: written})
    assert check_unchanged(observed, USERS) == 10


@pytest.mark.parametrize(
    ("tags", "known"),
    [({WEIGHTS: "10:50"}, "10 or 50"), ({WEIGHTS: "0:0"}, "0"), ({}, "none")],
    ids=["another weight", "none yet", "no tag"],
)
def test_a_weight_that_this_tool_did_not_write_is_a_conflict(tags, known):
    observed = rule({MONOLITH: 70, USERS: 30}, tags)
    with pytest.raises(
        TrafficConflict, match=f"30%, but this tool last wrote {known}: somebody else changed it"
    ):
        check_unchanged(observed, USERS)


def test_a_weight_that_only_rounds_to_what_was_written_is_a_conflict():
    observed = rule({MONOLITH: 997, USERS: 3}, {WEIGHTS: "0:0"})
    with pytest.raises(
        TrafficConflict, match=r"gives the service 0\.3%, but this tool last wrote 0"
    ):
        check_unchanged(observed, USERS)
