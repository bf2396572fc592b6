"""Connections that stay open for long: what suggests them, and what the plan has about them."""

from types import SimpleNamespace

import pytest

from config.monolith import MonolithConfig
from flows.plan.monolith.drain import cut_connections
from tasks.cloudwatch.connections import ConnectionFigures
from tasks.preflight.connections import check_delays, check_long_connections

LONG = ConnectionFigures(opened=200, open_seconds=200 * 900)


def monolith(**settings):
    return MonolithConfig(service="shop-web", **settings)


def texts(findings):
    return [finding.text for finding in findings]


@pytest.mark.parametrize(
    ("figures", "sign"),
    [
        (LONG, "connections to the load balancer last 900 s on average"),
        (ConnectionFigures(slowest_response=55), "a response began only after 55 s"),
        (ConnectionFigures(idle_timeout=4000), "keeps silent connections for 4000 s"),
    ],
    ids=["WebSocket", "long polling", "raised idle timeout"],
)
def test_a_sign_of_long_connections_is_a_warning_with_what_the_drain_cuts(figures, sign):
    (finding,) = check_long_connections(monolith(), figures)
    assert not finding.stops
    assert sign in finding.text
    assert "cuts connections that stay open for more than 300 s" in finding.text


@pytest.mark.parametrize(
    "figures",
    [
        ConnectionFigures(),
        ConnectionFigures(opened=10_000, open_seconds=10_000 * 70, slowest_response=2),
        ConnectionFigures(opened=2, open_seconds=2 * 900),
    ],
    ids=["no metrics", "short ones", "too few"],
)
def test_ordinary_figures_are_no_sign(figures):
    assert check_long_connections(monolith(), figures) == []


@pytest.mark.parametrize("longest", [0.0, 900.0])
def test_a_config_that_has_the_length_gets_no_warning(longest):
    assert check_long_connections(monolith(longest_connection=longest), LONG) == []


@pytest.mark.parametrize(("longest", "quiet"), [(None, 300), (0.0, 300), (60.0, 300), (900.0, 900)])
def test_the_drain_waits_as_long_as_the_longest_connection(longest, quiet):
    assert monolith(longest_connection=longest).quiet_seconds == quiet


def test_the_plan_and_the_question_have_what_the_drain_cuts():
    assert cut_connections(monolith()) == (
        "cuts connections that stay open for more than 300 s after their last request, as "
        "monolith.longest_connection is not given"
    )


def test_nothing_is_cut_where_the_config_has_the_length():
    assert cut_connections(monolith(longest_connection=0.0)) is None


def test_a_deregistration_delay_that_would_cut_connections_is_a_warning():
    services = {"services[0]": SimpleNamespace(name="cart", deregistration_delay=30)}
    (text,) = texts(check_delays(monolith(longest_connection=900.0), services))
    assert text.startswith("services[0].deregistration_delay: 30 s is shorter than")


def test_a_deregistration_delay_that_is_long_enough_is_no_finding():
    services = {"services[0]": SimpleNamespace(name="cart", deregistration_delay=900)}
    assert check_delays(monolith(longest_connection=900.0), services) == []
