"""The first service that exceeds a quota."""

import pytest

from tasks.preflight.quotas import Limits, Need, Usage, check_quotas


def needs(count, **each):
    return [Need(where=f"services[{index}] (s{index})", **each) for index in range(count)]


def used(rules=0, groups=0, region=0, roles=0):
    return Usage(frozenset(f"arn:{number}" for number in range(groups)), rules, region, roles)


def lines(asked, usage, *, limits=None, max_parallel=1, left_over=0):
    found = check_quotas(
        asked, limits or Limits(), usage, max_parallel=max_parallel, left_over=left_over
    )
    return [finding.text for finding in found]


def test_what_fits_is_no_finding():
    fitting = needs(
        97, rules=1, private_rules=2, target_groups=1, balancer_target_groups=1, roles=1
    )
    assert lines(fitting, used()) == []


def test_the_first_service_whose_rules_do_not_fit_is_named():
    (line,) = lines(needs(98, rules=1, private_rules=2), used())
    assert line.startswith("services[97] (s97) will not fit: 0 of 100 rules on the load balancer")


def test_services_in_parallel_have_their_preview_and_control_rules_at_the_same_time():
    (line,) = lines(needs(98, rules=1, private_rules=2), used(), max_parallel=4)
    assert line.startswith("services[91] (s91) will not fit")


def test_existing_rules_leave_less_room():
    (line,) = lines(needs(3, rules=1, private_rules=2), used(rules=95))
    assert line.startswith("services[2] (s2) will not fit: 95 of 100 rules")
    assert "6 more are needed" in line


def test_rules_that_an_interrupted_run_left_are_used_again():
    assert lines(needs(3, rules=1, private_rules=2), used(rules=95), left_over=1) == []


@pytest.mark.parametrize(
    ("need", "usage", "words"),
    [
        (
            {"balancer_target_groups": 1},
            used(groups=98),
            "98 of 100 target groups on the load balancer are used",
        ),
        ({"target_groups": 1}, used(region=2998), "2998 of 3000 target groups in the region"),
        ({"roles": 1}, used(roles=998), "998 of 1000 IAM roles in the account"),
    ],
)
def test_every_quota_names_the_service_that_exceeds_it(need, usage, words):
    (line,) = lines(needs(3, **need), usage)
    assert line.startswith("services[2] (s2) will not fit: ")
    assert words in line


def test_a_quota_that_was_raised_counts():
    raised = Limits(balancer_rules=200)
    assert lines(needs(98, rules=1, private_rules=2), used(), limits=raised) == []


def test_a_run_without_services_needs_nothing():
    assert lines([], used(rules=100, groups=100, region=3000, roles=1000)) == []
