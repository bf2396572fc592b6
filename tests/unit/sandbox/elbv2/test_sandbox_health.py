"""One target's health, check by check."""

import pytest

from sandbox.elbv2.data_plane.health import REGISTERING, Failure, Health, matches
from sandbox.elbv2.data_plane.state import HealthCheck

CHECK = HealthCheck(
    "HTTP", "traffic-port", "/", 5, 2, healthy_threshold=3, unhealthy_threshold=2, matcher="200"
)
FAILURE = Failure("Target.Timeout", "Request timed out")


def after(health, checks):
    """The health after checks such as `.x.`: passed, failed, passed."""
    for check in checks:
        health = health.after_failure(CHECK, FAILURE) if check == "x" else health.after_pass(CHECK)
    return health


@pytest.mark.parametrize(
    ("start", "checks", "state"),
    [
        (REGISTERING, "", "initial"),
        (REGISTERING, ".", "healthy"),
        (REGISTERING, "x", "initial"),
        (REGISTERING, "x.", "healthy"),
        (REGISTERING, "xx", "unhealthy"),
        (REGISTERING, "xx..", "unhealthy"),
        (REGISTERING, "xx...", "healthy"),
        (REGISTERING, "xx..x..", "unhealthy"),
        (Health("healthy"), "x", "healthy"),
        (Health("healthy"), "x.x", "healthy"),
        (Health("healthy"), "xx", "unhealthy"),
    ],
)
def test_a_state_changes_after_the_threshold(start, checks, state):
    assert after(start, checks).state == state


def test_an_unhealthy_target_has_the_reason_of_its_last_check():
    found = after(REGISTERING, "xx").after_failure(
        CHECK, Failure("Target.FailedHealthChecks", "Health checks failed")
    )
    assert (found.reason, found.description) == (
        "Target.FailedHealthChecks",
        "Health checks failed",
    )


def test_a_healthy_target_that_failed_once_has_no_reason():
    assert after(Health("healthy"), "x").reason is None


@pytest.mark.parametrize(
    ("matcher", "status", "meets"),
    [
        ("200", 200, True),
        ("200", 204, False),
        ("200,202", 202, True),
        ("200-299", 299, True),
        ("200-299", 300, False),
        ("200,302-304", 303, True),
    ],
)
def test_a_matcher_holds_codes_and_ranges(matcher, status, meets):
    assert matches(matcher, status) is meets
