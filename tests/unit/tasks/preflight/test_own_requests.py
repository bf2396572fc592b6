"""What is said before a run of the requests that it will send to a service."""

import pytest

from config.aws import AwsConfig
from config.service import ServiceConfig
from tasks.preflight.finding import errors, warnings
from tasks.preflight.requests import check_own_requests

AWS = AwsConfig(region="eu-central-1")


def check(**settings):
    cart = ServiceConfig(name="cart", path_patterns=("/cart*",), image="cart:1", **settings)
    return check_own_requests(AWS, {"services[0]": cart}, ())


def test_a_service_that_nothing_is_asked_of_is_named_before_users_reach_it():
    (line,) = warnings(check())
    assert line.startswith("services[0]: cart has neither checks nor parity")
    assert errors(check()) == []


@pytest.mark.parametrize(
    "settings",
    [{"checks": ({"path": "/cart"},)}, {"parity": {"paths": ("/cart",)}}],
    ids=["a check", "a path to compare"],
)
def test_a_service_that_is_asked_something_has_no_finding(settings):
    assert check(**settings) == []
