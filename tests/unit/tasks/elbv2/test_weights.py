"""The way back of a path rule: whose share it is, and whether it has been returned."""

import pytest

from tasks.elbv2.rule_matching import Rule, weighted_forward
from tasks.elbv2.weights import is_returned, service_share

MONOLITH, USERS, OTHER = "arn:monolith", "arn:users", "arn:other"


def rule(weights):
    return Rule("arn:rule", 5, (), tuple(weighted_forward(weights)))


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        pytest.param({MONOLITH: 100, USERS: 0}, 0, id="dark"),
        pytest.param({MONOLITH: 50, USERS: 50}, 50, id="half"),
        pytest.param({MONOLITH: 0, USERS: 100}, 100, id="all"),
        pytest.param({MONOLITH: 1, USERS: 3}, 75, id="somebody else's weights"),
        pytest.param({MONOLITH: 999, USERS: 1}, 1, id="too small to round"),
        pytest.param({MONOLITH: 0, USERS: 0}, 0, id="nobody's"),
        pytest.param({MONOLITH: 1, OTHER: 0}, 0, id="a third group without a share"),
        pytest.param({MONOLITH: 1, OTHER: 1}, None, id="a third group with a share"),
    ],
)
def test_the_share_of_a_service(weights, share):
    assert service_share(rule(weights), MONOLITH, USERS) == share


def test_a_rule_that_does_not_forward_is_somebody_else_s():
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
        pytest.param({MONOLITH: 100, USERS: 0}, True, id="dark"),
        pytest.param({MONOLITH: 1}, True, id="by hand"),
        pytest.param({MONOLITH: 999, USERS: 1}, False, id="almost"),
        pytest.param({MONOLITH: 0, USERS: 0}, False, id="nobody's"),
    ],
)
def test_a_rule_is_returned_when_the_monolith_gets_every_request(weights, returned):
    assert is_returned(rule(weights), MONOLITH) == returned
